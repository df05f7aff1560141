"""The AI log: what each transaction of the journal adds to it, its outbox, and who sends from there."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as proving
from hypothesis import strategies as st
from sqlalchemy import select

from bot.ai_log import LOOKED_FOR, AiLog, Pace
from bot.ai_log_keeping import ai_log_of, credential
from bot.settings import Settings
from storage.ai_log import AiLogBox
from storage.database import Database
from storage.journal import SqlJournal
from storage.tables import AI_LOG, JOURNAL
from tests import storage_builders as made
from tests.recorded import recorder
from tests.storage_builders import AT
from tests.surface_examples import events as every_event
from tests.weex_bench import ACCEPTED
from trading import ailog
from trading import events as m
from trading.ailog import Entry, Lookup, Settled, kept
from trading.clock import ManualClock
from trading.decision import Abstention, Decision, Opinion, Ruling
from trading.errors import BadRecord, JournalUnwritable, OrderRejected, RateLimited, UnknownOutcome
from trading.exit_plan import StopKind, StopMove
from trading.model import (
    ClientId,
    ExitReason,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    Protection,
    Side,
    Symbol,
)
from trading.venues.exchange.weex import DIALECT
from trading.venues.exchange.weex_ai import WeexLog
from trading.voice import Exchange, Lack, Voice

RULES = "gavel/1.2.3 rules"
MINUTE = timedelta(minutes=1)


def as_weex() -> WeexLog:
    return WeexLog(None, None, natives=dict)  # type: ignore[arg-type]


def entries(*events: m.Event, states: Sequence[Any] = ()) -> list[Entry]:
    return [e for e in kept(events, states, as_weex(), RULES) if isinstance(e, Entry)]


def only(*events: m.Event, states: Sequence[Any] = ()) -> Entry:
    [entry] = entries(*events, states=states)
    return entry


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["wait", "denied", "long"])
def test_every_decision_leaves_an_entry_of_what_the_record_holds(outcome: str) -> None:
    entry = only(made.decided(outcome=outcome))
    assert (entry.stage, entry.model, entry.held, entry.lookup) == (ailog.DECIDING, RULES, False, Lookup.NONE)
    assert entry.input["market"]["mark"] == "100.10"
    assert entry.input["opinions"][0]["thesis"] == "RSI is low and turning up"
    assert entry.input["opinions"][0]["evidence"][0] == {
        "label": "RSI(0)", "value": 31.25, "unit": "%", "source": "1h candles",
    }  # fmt: skip
    assert entry.output["symbol"] == "BTCUSDT"
    assert entry.output["outcome"] == outcome
    assert entry.explanation.startswith(f"{'wait' if outcome == 'wait' else 'long'} 0.70: two agree.")
    if outcome == "long":
        assert (entry.output["side"], entry.output["quantity"], entry.output["stop"]) == ("BUY", "0.5", "97.5")
    if outcome == "denied":
        assert entry.output["denied_by"] == "positions"
        assert "5 of 5." in entry.explanation


def test_nothing_that_is_journalled_makes_an_entry_that_json_cannot_hold() -> None:
    for event in every_event().values():
        for entry in entries(event):
            assert json.loads(json.dumps([entry.input, entry.output], allow_nan=False)) == [entry.input, entry.output]
            assert entry.input
            assert entry.output
            assert entry.explanation.strip()


def an_exchange(returned: str, *, purpose: str = "sentiment", lack: Lack | None = None) -> Exchange:
    return Exchange(
        purpose=purpose,
        provider="p",
        requested="asked-for",
        returned=returned,
        at=AT,
        lack=lack,
        reason="x" if lack else "",
    )


def spoken(opinion: Opinion, *exchanges: Exchange, **changes: Any) -> Opinion:
    return replace(opinion, voice=Voice(model="shown to people", exchanges=exchanges), **changes)


def ruled(model: str, who: str = "judge") -> Ruling:
    voice = Voice(model=model, exchanges=(an_exchange(model, purpose=who),))
    return Ruling(who=who, said="long", confidence=600_000, thesis="agreed", voice=voice)


def with_voices(*opinions: Opinion | Abstention, **changes: Any) -> Decision:
    weights = {o.persona: 1000 for o in opinions}
    return replace(made.a_decision(outcome="long"), opinions=opinions, weights=weights, **changes)


def model_of(decision: Decision) -> str:
    return only(m.DecisionMade(at=AT, decision=decision)).model


def test_the_model_is_named_exactly_as_its_provider_has_returned_it() -> None:
    flow, council = made.an_opinion("flow"), made.an_opinion("council")
    heard = spoken(council, an_exchange("x-ai/grok-4.3-0709"), an_exchange("vendor/model:free"))
    assert model_of(with_voices(flow, heard)) == "vendor/model:free"
    assert model_of(with_voices(flow, heard, rulings=(ruled("judge-model-7"),))) == "judge-model-7"
    told = only(m.DecisionMade(at=AT, decision=with_voices(flow, heard)))
    assert told.input["models"] == ["x-ai/grok-4.3-0709", "vendor/model:free"]
    assert [o["models"] for o in told.input["opinions"]] == [[], ["x-ai/grok-4.3-0709", "vendor/model:free"]]


def test_of_two_models_the_one_that_has_weighed_more_is_named() -> None:
    weak = spoken(made.an_opinion("sentiment"), an_exchange("weak"), confidence=200_000)
    strong = spoken(made.an_opinion("council"), an_exchange("strong"), confidence=900_000)
    assert model_of(with_voices(weak, strong)) == model_of(with_voices(strong, weak)) == "strong"


def test_a_model_that_has_not_answered_is_never_named() -> None:
    failed = an_exchange("another-model", lack=Lack.SUBSTITUTED)
    silent = an_exchange("", lack=Lack.LATE)
    classifier = an_exchange("wallets-3", purpose="whale")
    absent = Abstention(persona="council", reason="late", voice=Voice(exchanges=(an_exchange("absent"),)))
    nobody = with_voices(spoken(made.an_opinion("sentiment"), failed, silent, classifier), absent)
    assert model_of(nobody) == RULES
    told = only(m.DecisionMade(at=AT, decision=nobody))
    assert told.input["models"] == ["absent"]  # it did answer, and nothing came of it: that is in the record
    assert "asked-for" not in json.dumps([told.model, told.input, told.output])


def test_whose_side_it_is_stays_at_home() -> None:
    verdict = replace(made.a_decision(outcome="long").verdict, reason="long by hand, ann; the judge said wait")
    heard = spoken(made.an_opinion("council"), an_exchange("a-model"))
    decision = with_voices(heard, verdict=verdict, by="ann", trigger="by hand")
    told = only(m.DecisionMade(at=AT, decision=decision))
    assert told.model == RULES
    assert "ann" not in json.dumps([told.input, told.output, told.explanation])
    assert "long by hand, a person" in told.explanation
    closing = made.a_position(closing=ExitReason.MANUAL, closing_note="closed by ann")
    order = made.an_order("gv-x-c1", leg=Leg.CLOSE, side=Side.SELL, reduce_only=True, protection=None, plan=None)
    order = replace(order, note="closed by ann")
    triggered = m.ExitTriggered(at=AT, position=closing, reason=ExitReason.MANUAL, note="closed by ann")
    trade = made.a_trade(reason=ExitReason.MANUAL, note="closed by ann")
    closed = m.TradeClosed(at=AT, trade=trade, equity=D(1))
    for events in ((triggered, m.OrderIntended(at=AT, order=order)), (m.OrderIntended(at=AT, order=order),), (closed,)):
        entry = only(*events, states=[closing])
        assert "ann" not in json.dumps([entry.input, entry.output, entry.explanation])
        assert "closed by hand" in entry.explanation


# --- orders -----------------------------------------------------------------------------------------------------------

amounts = st.decimals(min_value="0.0001", max_value="1000000", places=4)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    side = draw(st.sampled_from(Side))
    leg = draw(st.sampled_from([Leg.ENTRY, Leg.PARTIAL, Leg.CLOSE]))
    kind = draw(st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT]))
    guard = Protection(
        stop_id=ClientId("gv-s-s0"), stop=draw(amounts), target_id=ClientId("gv-t-t0"), target=draw(amounts)
    )
    return Order(
        client_id=ClientId(f"gv-aaaabbbbccccddddeeeeffff-{leg.value[0]}{draw(st.integers(0, 99))}"),
        decision_id=draw(st.sampled_from(["btc-aaaa", "btc-bbbb"])),
        leg=leg,
        symbol=Symbol(draw(st.sampled_from(["BTC/USDT:USDT", "DOGE/USDT:USDT"]))),
        side=side,
        kind=kind,
        quantity=draw(amounts),
        created_at=AT,
        price=draw(amounts) if kind is OrderKind.LIMIT else None,
        reduce_only=leg is not Leg.ENTRY,
        protection=guard if leg is Leg.ENTRY else None,
    )


@proving(deadline=None)  # the first one imports a network library
@given(order=orders())
async def test_the_output_of_an_entry_is_the_order_as_it_is_sent(order: Order) -> None:
    entry = only(m.OrderIntended(at=AT, order=order))
    caller, requests = recorder(DIALECT, {"/capi/v3/order": ACCEPTED})
    await DIALECT.profile(caller, caller, practice="").place(order, order.protection)
    [request] = requests
    sent = {key: json.loads(value) if key == "reduceOnly" else value for key, value in request.params.items()}
    assert {k: v for k, v in entry.output.items() if k != "reduceOnly"} == {
        k: v for k, v in sent.items() if k != "reduceOnly"
    }
    assert entry.output.get("reduceOnly", False) is order.reduce_only
    assert (entry.held, entry.lookup, entry.client_id) == (True, Lookup.ORDER, order.client_id)


def test_an_entry_into_a_position_says_what_it_was_decided_on() -> None:
    decision = with_voices(spoken(made.an_opinion("council"), an_exchange("a-model")))
    intent = m.OrderIntended(at=AT, order=made.an_order("gv-btc-e0", decision.id))
    stop = made.an_order("gv-btc-s0", decision.id, leg=Leg.STOP, kind=OrderKind.STOP, trigger=D(97), side=Side.SELL)
    first, second = entries(m.DecisionMade(at=AT, decision=decision), intent, m.OrderIntended(at=AT, order=stop))
    assert (first.key, second.key) == (f"decision {decision.id}", "gv-btc-e0")
    assert second.model == "a-model"
    assert second.input["opinions"] == first.input["opinions"]
    assert second.explanation == first.explanation


def test_a_way_out_is_by_rules_and_says_which() -> None:
    closing = made.a_position(closing=ExitReason.EARLY_EXIT, closing_note="3 h and -2.6 %")
    order = made.an_order("gv-x-c1", leg=Leg.CLOSE, side=Side.SELL, reduce_only=True, protection=None, plan=None)
    entry = only(m.OrderIntended(at=AT, order=replace(order, note="3 h and -2.6 %")), states=[closing])
    assert (entry.model, entry.stage) == (RULES, ailog.EXECUTING)
    assert entry.explanation == "close: 3 h and -2.6 %."
    assert entry.input["position"]["entry"] == "100.2"


def a_moving(level: str = "99") -> Position:
    move = StopMove(level=D(level), kind=StopKind.TRAILING, note="2 % behind")
    return made.a_position(moving=move)


def changes(*events: m.Event, states: Sequence[Any] = ()) -> list[Settled]:
    return [c for c in kept(events, states, as_weex(), RULES) if isinstance(c, Settled)]


def test_a_stop_on_its_way_is_an_entry_that_waits_for_the_answer() -> None:
    entry = only(states=[a_moving()])
    assert (entry.held, entry.lookup, entry.client_id) == (True, Lookup.GUARD, "gv-stop-s0")
    assert (entry.output["side"], entry.output["type"], entry.output["triggerPrice"]) == ("SELL", "STOP_MARKET", "99")
    moved = made.a_position(protection=replace(made.GUARD, stop=D("99.0")))
    told = m.StopMoved(at=AT, position=moved, before=D("97.5"), kind=StopKind.TRAILING, note="")
    assert changes(told) == [Settled(key=entry.key, came=True)]
    refused = m.StopNotMoved(at=AT, position=made.a_position(), wanted=D(99), reason="too near")
    assert changes(refused) == [Settled(key=entry.key, came=False, why="too near")]
    stop = made.an_order("gv-stop-s0", leg=Leg.STOP, kind=OrderKind.STOP, trigger=D("99.00"), side=Side.SELL)
    filled = m.OrderFilled(at=AT, order=stop, fill=made.a_fill())
    assert changes(filled) == [Settled(key=entry.key, came=True)]  # it fired there before the answer came


def test_a_move_and_its_answer_that_are_written_together_are_in_their_order() -> None:
    moved = made.a_position(protection=replace(made.GUARD, stop=D(99)))
    told = m.StopMoved(at=AT, position=moved, before=D("97.5"), kind=StopKind.TRAILING, note="")
    first, second = kept([told], [a_moving(), moved], as_weex(), RULES)
    assert isinstance(first, Entry)
    assert second == Settled(key=first.key, came=True)


@pytest.mark.parametrize(
    ("status", "filled", "came"),
    [
        (OrderStatus.REJECTED, "0", False),
        (OrderStatus.ABANDONED, "0", False),
        (OrderStatus.EXPIRED, "0", True),
        (OrderStatus.CANCELLED, "0.1", True),
    ],
)
def test_what_the_exchange_never_had_is_taken_out(status: OrderStatus, filled: str, came: bool) -> None:
    order = replace(made.an_order(), status=status, filled=D(filled), note="because")
    [settled] = changes(m.OrderEnded(at=AT, order=order))
    assert (settled.key, settled.came) == (order.client_id, came)


# --- the outbox -------------------------------------------------------------------------------------------------------


class FakeLog:
    """An exchange's log: `answers` are raised one after the other, then everything is taken."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.taken: list[tuple[str, Mapping[str, Any]]] = []
        self.asked = 0
        self.ids = True

    @property
    def models(self) -> list[str]:
        return [body["output"].get("symbol", "check") for _, body in self.taken]

    async def id_of(self, symbol: Symbol, client_id: ClientId) -> str:
        return f"id of {client_id}" if self.ids else ""

    async def id_by_fill(self, symbol: Symbol, fill: str) -> str:
        return f"order of fill {fill}" if self.ids else ""

    async def upload(self, order_id: str, body: Mapping[str, Any]) -> None:
        self.asked += 1
        if self.answers:
            raise self.answers.pop(0)
        self.taken.append((order_id, body))


class Bench:
    def __init__(self, database: Database) -> None:
        self.clock = ManualClock(AT)
        self.database = database
        self.box = AiLogBox(database, kept=partial(kept, as_sent=as_weex(), rules=RULES), wall=self.clock)
        self.journal = SqlJournal(database, route=lambda _: (), wall=self.clock)
        self.journal.beside.append(self.box)
        self.exchange = FakeLog()
        self.told: list[tuple[str, bool]] = []

    def sender(self, *, required: bool = True, key: str = "key") -> AiLog:
        async def tell(detail: str, over: bool) -> None:
            self.told.append((detail, over))

        return AiLog(
            self.box,
            self.exchange,
            credential=credential({"apiKey": key}),
            rules=RULES,
            required=required,
            wall=self.clock,
            tell=tell,
            pace=Pace(),
        )

    async def rows(self) -> list[tuple[str, str]]:
        """(key, state) of all but checks of a key."""
        found = await self.database.read(lambda c: c.execute(select(AI_LOG).order_by(AI_LOG.c.id)).all())
        return [(row.key, row.state) for row in found if not row.key.startswith("check ")]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await made.a_database(tmp_path / "gavel.db")
    yield Bench(database)
    await database.close()


async def drained(log: AiLog, steps: int = 30) -> None:
    """As many attempts as it takes, without the waiting between them."""
    for _ in range(steps):
        await log._tried()
        await log._say()


async def test_an_entry_is_written_with_its_events_or_not_at_all(bench: Bench) -> None:
    await bench.journal.commit([made.decided("btc-1")])
    with pytest.raises(BadRecord):
        await bench.journal.commit([made.decided("btc-2"), made.decided("btc-1")])
    assert await bench.rows() == [("decision btc-1", "pending")]
    assert len(await bench.database.read(lambda c: c.execute(select(JOURNAL)).all())) == 1


async def test_a_fault_of_the_log_keeps_nothing_from_the_journal_and_is_a_gap(bench: Bench) -> None:
    def broken(events: object, states: object) -> tuple[Entry, ...]:
        raise KeyError("stage")

    bench.box._kept = broken
    await bench.journal.commit([made.decided("btc-1")])
    assert len(await bench.database.read(lambda c: c.execute(select(JOURNAL)).all())) == 1
    assert "could not be made: KeyError" in bench.sender().hold()
    assert bench.sender(required=False).hold() == ""


async def test_a_figure_out_of_a_column_is_a_number_like_any_other(bench: Bench) -> None:
    fact = replace(made.an_opinion("flow").evidence[0], value=np.float64(55.5))
    decision = with_voices(replace(made.an_opinion("flow"), evidence=(fact,)))
    await bench.journal.commit([m.DecisionMade(at=AT, decision=decision)])
    assert bench.box.lost == ""
    entry = await bench.box.first()
    assert entry is not None
    assert entry.body["input"]["opinions"][0]["evidence"][0]["value"] == 55.5


async def test_one_thing_has_one_entry_however_often_it_is_told(bench: Bench) -> None:
    await bench.journal.commit([], [a_moving()])
    await bench.journal.commit([], [a_moving("99.00")])
    await bench.journal.commit([], [a_moving("99.5")])
    assert await bench.rows() == [("gv-stop-s0@99", "held"), ("gv-stop-s0@99.5", "held")]
    closed = m.TradeClosed(at=AT, trade=made.a_trade(), equity=D(1))
    await bench.journal.commit([closed], [made.a_trade()])
    assert await bench.rows() == [
        ("gv-stop-s0@99", "void"),
        ("gv-stop-s0@99.5", "void"),
        ("close btc-aaaa", "pending"),
    ]


async def test_entries_are_sent_one_at_a_time_in_order_each_with_the_id_of_its_order(bench: Bench) -> None:
    await bench.journal.commit([made.decided("btc-1"), *made.an_entry("btc-2")])
    await bench.journal.commit([made.decided("btc-3")])
    await drained(bench.sender())
    assert [order_id for order_id, _ in bench.exchange.taken] == ["", "", "id of gv-btc-2-e0", ""]
    states = [("decision btc-1", "sent"), ("gv-btc-2-e0", "sent"), ("decision btc-3", "sent")]
    assert await bench.rows() == states
    ended = replace(made.an_order("gv-btc-2-e0", "btc-2"), status=OrderStatus.EXPIRED, filled=D("0.1"))
    await bench.journal.commit([m.OrderEnded(at=AT, order=ended)])  # what is told later of the order sends nothing anew
    assert await bench.rows() == states


async def test_nothing_overtakes_an_order_whose_fate_is_not_known(bench: Bench) -> None:
    intent = made.an_order()
    await bench.journal.commit([m.OrderIntended(at=AT, order=intent)], [intent])
    await bench.journal.commit([made.decided("btc-1")])
    log = bench.sender()
    await drained(log)
    assert len(bench.exchange.taken) == 1  # the check of the key
    sent = intent.to(OrderStatus.OPEN, at=AT)
    await bench.journal.commit([m.OrderSent(at=AT, order=sent)], [sent])
    await drained(log)
    assert [order_id for order_id, _ in bench.exchange.taken[1:]] == ["id of gv-entry-e0", ""]


async def test_an_order_that_the_exchange_does_not_show_is_looked_for_and_then_told_without_an_id(bench: Bench) -> None:
    await bench.journal.commit(made.an_entry("btc-2"))
    bench.exchange.ids = False
    log = bench.sender()
    await drained(log, 4)
    assert len(bench.exchange.taken) == 1
    bench.clock.advance(LOOKED_FOR)
    assert "does not show the order" in log.hold()
    await drained(log)
    assert [order_id for order_id, _ in bench.exchange.taken] == ["", ""]
    assert log.hold() == ""


async def test_what_is_refused_for_good_is_kept_and_shown_and_not_tried_again(bench: Bench) -> None:
    log = bench.sender()
    await drained(log)
    await bench.journal.commit([made.decided("btc-1")])
    bench.exchange.answers = [OrderRejected("explanation is too long", code="other")]
    await drained(log)
    assert await bench.rows() == [("decision btc-1", "refused")]
    assert "refused the last 1" in log.hold()
    assert "explanation is too long" in log.state.why
    asked = bench.exchange.asked
    await drained(log)
    assert bench.exchange.asked == asked
    await bench.journal.commit([made.decided("btc-2")])  # the next one is taken: the log works
    await drained(log)
    assert log.hold() == ""
    assert [over for _, over in bench.told] == [False, True]


async def test_a_key_that_is_refused_is_not_asked_of_every_entry(bench: Bench) -> None:
    log = bench.sender()
    await drained(log)
    await bench.journal.commit([made.decided("btc-1"), made.decided("btc-2")])
    bench.exchange.answers = [OrderRejected("no", code="permission")] * 2
    assert await log._tried() == 3600
    assert await log._tried() == 3600
    assert await bench.rows() == [("decision btc-1", "pending"), ("decision btc-2", "pending")]
    assert "does not let this key" in log.hold()
    again = bench.sender()  # a restart tries the key first
    await drained(again)
    assert bench.exchange.models == ["check", "check", "BTCUSDT", "BTCUSDT"]


async def test_failures_are_further_and_further_apart_and_a_pause_is_obeyed(bench: Bench) -> None:
    log = bench.sender()
    bench.exchange.answers = [UnknownOutcome("no answer")] * 6
    assert [await log._tried() for _ in range(6)] == [1, 2, 4, 8, 16, 30]
    bench.exchange.answers = [RateLimited("slowly", retry_after=120)]
    assert await log._tried() == 120
    assert await log._tried() == 0  # the key
    assert log._failures == 0


async def test_a_replay_leaves_room_for_what_the_desk_asks(bench: Bench) -> None:
    await bench.journal.commit([made.decided("btc-1"), *made.an_entry("btc-2")])
    log = bench.sender()
    await log._tried()
    assert [await log._tried() for _ in range(2)] == [Pace().between, Pace().looked_up]


async def test_what_is_there_and_could_not_be_marked_is_not_uploaded_again(bench: Bench, monkeypatch: Any) -> None:
    await bench.journal.commit([made.decided("btc-1")])
    log = bench.sender()
    await log._tried()
    mark = bench.box.ended

    async def refuse(*_: object) -> None:
        raise JournalUnwritable("the disk is full")

    monkeypatch.setattr(bench.box, "ended", refuse)
    await log._tried()
    await log._tried()
    monkeypatch.setattr(bench.box, "ended", mark)
    await drained(log)
    assert len(bench.exchange.taken) == 2
    assert await bench.rows() == [("decision btc-1", "sent")]


async def test_an_entry_is_late_after_a_minute_and_not_before(bench: Bench) -> None:
    log = bench.sender()
    await drained(log)
    await bench.journal.commit([made.decided("btc-1")])
    bench.exchange.answers = [UnknownOutcome("no answer")] * 2
    await log._tried()
    bench.clock.advance(MINUTE)
    assert log.hold() == ""
    bench.clock.advance(timedelta(seconds=1))
    assert log.hold() == "1 entry of the AI log not sent: no answer"
    assert bench.sender(required=False).hold() == ""


async def test_what_was_sent_long_ago_is_forgotten_and_what_was_refused_is_kept(bench: Bench) -> None:
    await bench.journal.commit([made.decided("btc-1"), made.decided("btc-2"), made.decided("btc-3")])
    log = bench.sender()
    bench.exchange.answers = []
    await log._tried()
    bench.exchange.answers = [OrderRejected("too long", code="other")]
    await drained(log)
    bench.clock.advance(timedelta(days=91))
    await drained(log)
    assert await bench.rows() == [("decision btc-1", "refused")]
    assert await bench.box.verified(credential({"apiKey": "key"}))


# --- who keeps one ----------------------------------------------------------------------------------------------------


def settings(**changes: Any) -> Settings:
    values = {"GAVEL_VENUE": "weex", "GAVEL_MODE": "live", "WEEX_API_KEY": "key", "GAVEL_WEEX_LOG": "required"}
    return Settings(_env_file=None, **{**values, **changes})


def wired(given: Settings, *, live: bool = True) -> tuple[AiLog | None, list[Any], list[Any]]:
    connection = SimpleNamespace(trade=object(), venue=object(), feed=SimpleNamespace(listings={}))
    market: Any = SimpleNamespace(connection=connection, live=live)
    memory: Any = SimpleNamespace(database=None, journal=SimpleNamespace(beside=[]))
    desk: Any = SimpleNamespace(holds=[])
    return ai_log_of(given, market, memory, desk, ManualClock(AT)), memory.journal.beside, desk.holds


async def test_a_live_desk_on_weex_that_is_to_keep_a_log_does() -> None:
    log, beside, holds = wired(settings())
    assert log is not None
    assert (len(beside), len(holds)) == (1, 1)
    assert holds[0]() == "the AI log is not known to work yet"
    log, beside, holds = wired(settings(GAVEL_WEEX_LOG="on"))
    assert log is not None
    assert [hold() for hold in holds] == [""]


@pytest.mark.parametrize("changed", [{"GAVEL_WEEX_LOG": "off"}, {"GAVEL_VENUE": "binance"}, {"GAVEL_MODE": "paper"}])
async def test_anywhere_else_nothing_is_written_and_nothing_sent(changed: dict[str, str]) -> None:
    given = settings(**changed)
    assert wired(given, live=given.mode == "live") == (None, [], [])
