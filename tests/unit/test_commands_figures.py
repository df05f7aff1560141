"""What the desk holds, what it has earned, why it decided so: the commands, through the gate, over a real database."""

import asyncio
import csv
import io
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bot.catalogue import COMMANDS, Effect
from bot.gate import Surface
from bot.pictures import CandlesPicture, DaysPicture, EquityPicture, ScoresPicture
from bot.surface import Card, Role
from storage.tallies import Tallies
from tests import risk_examples as risk
from tests import surface_examples as examples
from tests.storage_builders import D, a_desk
from tests.surfaces import OLA, Stage, staged
from trading import events as m
from trading.decision import Decision, Opinion, Stance
from trading.judge import judge
from trading.market.series import MS, Series, to_ms
from trading.model import ExitReason, OrderStatus, Trade, TradingState
from trading.playbook import load

MINE = (
    "status", "positions", "position", "pnl", "balance", "trades", "trade", "decisions", "why", "ask", "personas",
    "whatif", "replay",
)  # fmt: skip
DAY = timedelta(days=1)
LATER = examples.AT + timedelta(minutes=5)
BOOK = load("desk")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """With the running sums, and the equity that the desk began with."""
    async with staged(tmp_path) as found:
        await found.desk.journal.commit([], [a_desk(start_equity=D(10000)), examples.a_trade()])
        found.surface = Surface(replace(found.tools, figures=Tallies(found.database)))
        yield found


def a_wait(id: str = "btc-zzzzzzzz", **changes: Any) -> Decision:
    """As the judge makes it under the playbook that runs: a persona of weight 2 is missing."""
    weights = {"flow": 1500, "technical": 1000, "whale": 2000}
    base = replace(examples.a_decision("wait"), id=id, at=LATER, weights=weights, playbook_hash=BOOK.hash, **changes)
    return replace(base, verdict=judge(base.opinions, weights, BOOK.judge))


def a_long(outcome: str = "long", id: str = "btc-yyyyyyyy") -> Decision:
    made = replace(examples.a_decision(outcome), id=id, at=LATER, playbook_hash=BOOK.hash)
    return replace(made, verdict=judge(made.opinions, made.weights, BOOK.judge))


async def decide(stage: Stage, *decisions: Decision) -> None:
    await stage.desk.tell(*(m.DecisionMade(at=d.at, decision=d) for d in decisions))


async def close(stage: Stage, *trades: Trade) -> None:
    for trade in trades:
        await stage.desk.journal.commit([], [a_desk(start_equity=D(10000)), trade])


def a_loss(n: int = 1, **changes: Any) -> Trade:
    values: dict[str, Any] = {
        "id": f"eth-{n:08}",
        "symbol": "ETH/USDT:USDT",
        "closed_at": examples.AT + n * DAY,
        "gross": D("-12"),
        "reason": ExitReason.STOP_LOSS,
    }
    return examples.a_trade(**values | changes)


def cells(card: Card) -> list[dict[str, str]]:
    assert card.file is not None
    return list(csv.DictReader(io.StringIO(card.file.content.decode())))


def button(card: Card, label: str) -> str:
    return next(b.data for b in card.buttons if b.label == label)


# --- all of them ---------------------------------------------------------------------------------------------------


async def test_each_only_reads_and_its_example_is_answered_by_a_viewer(stage: Stage) -> None:
    for name in MINE:
        entry = COMMANDS[name]
        assert (entry.role, entry.effect) == (Role.VIEWER, Effect.READS)
        card = await stage.card(entry.example, who=OLA)
        assert card.title.startswith("PAPER ")
        assert len(card.title) <= 60
        last = (await stage.audit())[0]
        assert isinstance(last, m.CommandRun)
        assert (last.result, last.changes) == ("done", ()), name
    assert stage.desk.obeyed == []


ANSWERS = (
    ("/status", "equity 10,008.23"),
    ("/status", "1 of 5 slots used"),
    ("/status", "Breaker CLOSED; size: by kelly, 2% of equity at risk"),
    ("/status", "settings version 4"),
    ("/STATUS@GavelBot", "equity 10,008.23"),
    ("/positions", "Stop 62,605.2"),
    ("/position btc-k3", "maximum hold"),
    ("/position btc", "maximum hold"),
    ("/position btc chart", "No candles to draw"),
    ("/balance", "available 9,920.06"),
    ("/pnl", "P&L all +39.08 (+0.39%), 1 trade"),
    ("/pnl today", "Win rate 100%: 1 won, 0 did not"),
    ("/pnl", "n 100, p 0.680, b 2.150, E +11.42, f 0.531"),
    ("/pnl", "Unrealised +8.55 in 1 position open"),
    ("/pnl", "Sharpe and Sortino from 20 days on: 1 day so far"),
    ("/pnl by pair", "BTC · +39.08 · 1 trade · 100% won · +39.08 each"),
    ("/pnl 7d by exit", "take profit · +39.08"),
    ("/pnl 30d PLAYBOOK", "desk · +39.08"),
    ("/pnl today by week", "2024-W18 · +39.08"),
    ("/pnl by persona", "FLOW with · +39.08"),
    ("/trades 1", "take profit"),
    ("/trade", "Exit: take profit; mark 67,421.0 reached the target 67,421.0"),
    ("/trade btc-k3", "14:05 UTC: bought 0.0124 @ 64,210.5 (order not in the journal), fee 0.32"),
    ("/trade last", "Gross +39.81, fees -0.65, funding -0.08"),
    ("/decisions 3 BTC", "BTC long 0.71"),
    ("/decisions BTC 3 long", "BTC long 0.71"),
    ("/decisions wait", "no such decision yet"),
    ("/why", "[E1] FLOW"),
    ("/why btc-k3f", "[E1] FLOW"),
    ("/why BTC", "closed by take profit"),
    ("/ask btc-k3f9x2pa", "[E1] FLOW"),
    ("/ask what is the stop-loss of BTC", "62,605.2"),
    ("/ask which size?", "0.0124"),
    ("/ask which regime was it?", "Regime trend up, volatility 45.1% a year"),
    ("/ask what would change it", "past its limit"),
    ("/ask what is the weather", "does not hold that"),
    ("/personas", "FLOW: 100% of 1 right (21% to 100%)"),
    ("/personas 7d", "WHALE: never took a side"),
    ("/whatif last", "judge.min_confidence 0.6 -> 0.747408"),
    ("/replay", "confidence: 0.712345 -> 0.747407"),
    ("/replay", "Not the settings of then: those were ab12cd34ef56"),
)


async def test_what_is_asked_is_answered(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in ANSWERS}
    assert {text: (part, said[text]) for text, part in ANSWERS if part not in said[text]} == {}


REFUSALS = (
    ("/trades many", "Usage: /trades [N]"),
    ("/trades 0", "Usage"),
    ("/trades ²", "Usage"),
    ("/trades 31", "1 to 30"),
    ("/trades page=0", "Usage"),
    ("/pnl yesterday", "did you mean today?"),
    ("/pnl by colour", "Usage: /pnl [WINDOW] [BY]"),
    ("/pnl 7d by pair page=none", "not a page like page=2"),
    ("/position", "Usage: /position"),
    ("/position eth", "no open position eth"),
    ("/position btc map", "no view 'map'"),
    ("/trade eth", "no closed trade eth"),
    ("/trade btc-k3f9x2pb", "did you mean btc-k3f9x2pa?"),
    ("/why eth", "no decision about ETH"),
    ("/why btc-k3f9x2pb", "did you mean btc-k3f9x2pa?"),
    ("/ask", "Usage: /ask"),
    ("/whatif", "Usage: /whatif"),
    ("/whatif last now", "a setting and its value are needed"),
    ("/whatif last judge.min_confidence", "a setting and its value are needed"),
    ("/whatif last min_confidense=0.5", "did you mean judge.min_confidence?"),
    ("/whatif last min_confidence=2", "min_confidence"),
    ("/whatif last exits.take_profit=0.1", "the record does not hold what it bears on"),
    ("/whatif last whale.weight=1", "no setting 'whale.weight'"),
)


async def test_what_cannot_be_answered_is_said_plainly(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in REFUSALS}
    assert {text: (part, said[text]) for text, part in REFUSALS if part not in said[text]} == {}
    results = [e.result for e in await stage.audit() if isinstance(e, m.CommandRun)]
    assert all(result.startswith("refused: ") for result in results[: len(REFUSALS)])


async def test_no_handler_asks_the_database_on_the_loops_own_thread(stage: Stage, statements: list[str]) -> None:
    await decide(stage, a_wait(), a_long("denied"))
    statements.clear()
    loop = threading.current_thread().name
    for text in (*(COMMANDS[name].example for name in MINE), "/trades csv", "/pnl by persona csv", "/whatif last"):
        await stage.card(text)
    assert len(statements) > len(MINE)
    assert loop not in statements


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The thread of every statement that any engine is given."""
    found: list[str] = []

    def note(*_: Any) -> None:
        found.append(threading.current_thread().name)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


async def test_the_loop_goes_on_while_a_long_answer_is_made(stage: Stage) -> None:
    """A generous bound: how fast it is, benchmarks/commands.py measures."""
    many = [a_loss(n, gross=D(n % 7 - 3)) for n in range(1, 400)]
    await stage.desk.journal.commit([], [a_desk(start_equity=D(10000)), *many])
    stage.desk.view = examples.a_status(at=examples.AT + 400 * DAY)
    slowest = 0.0

    async def tick() -> None:
        nonlocal slowest
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(0.001)
            slowest = max(slowest, loop.time() - began)

    ticking = asyncio.create_task(tick())
    for text in ("/pnl", "/pnl by day", "/trades csv", "/personas", "/whatif last"):
        await stage.card(text)
    ticking.cancel()
    assert 0 < slowest < 0.5


# --- positions -----------------------------------------------------------------------------------------------------


def some_candles(bars: int = 400) -> Series:
    """Of five minutes, half of them before the entry."""
    every = timedelta(minutes=5)
    opened = to_ms(examples.AT - bars // 2 * every) + np.arange(bars) * (every // MS)
    price = 64_000.0 + np.arange(bars) % 9
    return Series(
        symbol=examples.BTC,
        every=every,
        opened=opened,
        open=price,
        high=price + 20,
        low=price - 20,
        close=price + 5,
        volume=np.ones(bars),
    )


async def test_a_position_comes_with_its_candles(stage: Stage) -> None:
    stage.desk.series = some_candles()
    card = await stage.card("/position btc")
    assert isinstance(card.picture, CandlesPicture)
    assert {level.kind for level in card.picture.levels} >= {"entry", "stop", "target"}
    assert [b.data for b in card.buttons] == [
        "re:/position btc-k3f9x2pa", "do:/why btc-k3f9x2pa", "do:/position btc-k3f9x2pa chart",
        "do:/close btc-k3f9x2pa",
    ]  # fmt: skip
    alone = await stage.card(button=button(card, "Chart"))
    assert isinstance(alone.picture, CandlesPicture)
    assert len(alone.lines) == 1  # the market it is of


async def test_what_holds_entries_back_is_said_by_the_cards_that_speak_of_them(stage: Stage) -> None:
    shut = risk.view(risk.shut_down())
    stage.desk.view = examples.a_status(at=examples.AT, breaker=shut, positions=())
    for text in ("/status", "/positions"):
        assert "No new entries: the breaker is at SHUTDOWN" in (await stage.card(text)).plain()
    assert "breaker SHUTDOWN" in (await stage.card("/status")).title
    stage.desk.view = replace(stage.desk.view, trading=TradingState.HALTED, halted_by="x")
    assert "Halted by x" in (await stage.card("/positions")).plain()
    stage.desk.view = examples.a_held_back_status()
    assert "Entries in shadow only" in (await stage.card("/status")).plain()
    stage.desk.view = examples.a_status(at=examples.AT, breaker=risk.view(risk.throttled()))
    assert "Entries at high confidence and reduced size only" in (await stage.card("/status")).plain()


async def test_an_entry_on_its_way_uses_a_slot(stage: Stage) -> None:
    stage.desk.view = examples.a_status(pending=(examples.an_order(),))
    assert "2 of 5 slots used" in (await stage.card("/status")).plain()


# --- results -------------------------------------------------------------------------------------------------------


async def test_results_of_a_window_and_of_all_tell_one_equity(stage: Stage) -> None:
    """Of the closed trades alone: what open positions have paid in fees so far is not theirs."""
    stage.desk.view = examples.a_status(realised=Decimal("-7"))
    for window in ("today", "7d", "all"):
        assert "Equity 10,039.08 by the closed trades, ROI +0.39%" in (await stage.card(f"/pnl {window}")).plain()


async def test_a_window_is_of_utc_days_and_its_drawdown_begins_with_it(stage: Stage) -> None:
    await close(stage, a_loss(1), a_loss(2), a_loss(9, gross=D("50")))
    stage.desk.view = examples.a_status(at=examples.AT + 9 * DAY)
    week, whole = (await stage.card("/pnl 7d")).plain(), (await stage.card("/pnl")).plain()
    assert "P&L 7d +49.27" in week
    assert "Maximum drawdown 0%" in week
    assert "P&L all +62.88" in whole
    assert "10,039.08 to 10,013.61, 2024-05-03 19:17 UTC to 2024-05-05 14:05 UTC" in whole
    assert "Best pair BTC +39.08, 1 trade" in whole
    assert "Worst pair ETH +23.80, 3 trades" in whole
    nothing = (await stage.card("/pnl today")).plain()
    assert "P&L today +49.27" in nothing
    stage.desk.view = examples.a_status(at=examples.AT + 30 * DAY)
    assert "No closed trade today, UTC" in (await stage.card("/pnl today")).plain()


async def test_yearly_figures_from_twenty_days_on(stage: Stage) -> None:
    await close(stage, *(a_loss(n, gross=D(n % 3 - 1) * 20) for n in range(1, 20)))
    stage.desk.view = examples.a_status(at=examples.AT + 18 * DAY)
    assert "from 20 days on: 19 days so far" in (await stage.card("/pnl")).plain()
    stage.desk.view = examples.a_status(at=examples.AT + 19 * DAY)
    said = (await stage.card("/pnl")).plain()
    assert "a year, from 20 days since its first trade" in said
    assert "Sharpe" in said


async def test_times_are_in_the_zone_of_whoever_reads(stage: Stage) -> None:
    await close(stage, a_loss(1))
    await stage.card("/timezone Asia/Tokyo")
    assert "2024-05-04 04:17 JST" in (await stage.card("/pnl")).plain()
    assert "BTC long +39.08 (+1.96R), take profit, 04:17 JST" in (await stage.card("/trades")).plain()
    assert "23:05 JST" in (await stage.card("/trade btc-k3")).plain()
    why = await stage.card("/why btc-k3")
    assert "04:17 JST: closed by take profit" in why.plain()
    assert "Made 2024-05-03 14:05 UTC" in "\n".join(why.detail)


async def test_a_playbook_without_expectancy_says_how_it_sizes(stage: Stage) -> None:
    stage.desk.view = examples.a_status(sized=None)
    said = "Size now: each trade takes its margin by confidence, whatever the closed trades have shown"
    assert said in (await stage.card("/pnl")).plain()


async def test_pictures_of_results(stage: Stage) -> None:
    await close(stage, a_loss(1), a_loss(2))
    stage.desk.view = examples.a_status(at=examples.AT + 3 * DAY)
    equity = (await stage.card("/pnl")).picture
    assert isinstance(equity, EquityPicture)
    assert equity.equity[0] == 10000
    bars = (await stage.card("/pnl by day")).picture
    assert isinstance(bars, DaysPicture)
    assert [day.day for day in bars.days] == [3, 4, 5]
    assert (await stage.card("/pnl by pair")).picture is None
    assert isinstance((await stage.card("/personas")).picture, ScoresPicture)


async def test_groups_page_and_come_as_a_file(stage: Stage) -> None:
    await close(stage, *(a_loss(n) for n in range(1, 30)))
    stage.desk.view = examples.a_status(at=examples.AT + 30 * DAY)
    first = await stage.card("/pnl by day")
    assert first.table is not None
    assert len(first.table.rows) == 12
    assert first.table.rows[0][0] == "2024-06-01"
    assert "Page 1 of 3" in first.lines
    last = await stage.card(button=button(await stage.card(button=button(first, "Next")), "Next"))
    assert last.table is not None
    assert last.table.rows[-1][0] == "2024-05-03"
    rows = cells(await stage.card(button=button(last, "CSV")))
    assert (len(rows), rows[0]["day"], rows[0]["net"]) == (30, "2024-06-01", "-12.7324922")
    assert cells(await stage.card("/pnl 7d by pair csv"))[0]["pair"] == "ETH"


async def test_the_scoreboard_counts_a_loss_against_which_one_stood(stage: Stage) -> None:
    against = tuple(
        replace(o, stance=Stance.SHORT) if isinstance(o, Opinion) and o.persona == "flow" else o
        for o in examples.opinions()
    )
    await decide(stage, replace(a_long(id="eth-00000001"), opinions=against))
    await close(stage, a_loss(1), a_loss(2))
    said = (await stage.card("/personas")).plain()
    assert "FLOW: 100% of 2 right" in said
    assert "TECHNICAL: 50% of 2 right (9% to 91%)" in said
    assert "Net with +39.08 (1), against -12.73 (1)" in said
    assert "1 trade without a record of the decision left out" in said


# --- lists ---------------------------------------------------------------------------------------------------------


async def test_trades_go_on_page_by_page_and_as_a_file(stage: Stage) -> None:
    await close(stage, *(a_loss(n) for n in range(1, 7)))
    first = await stage.card("/trades 3")
    assert [line[-12:] for line in first.lines[:3]] == ["eth-00000006", "eth-00000005", "eth-00000004"]
    assert button(first, "Next") == "re:/trades 3 page=2"
    third = await stage.card("/trades 3 page=3")
    assert "btc-k3f9x2pa" in third.plain()
    assert [b.label for b in third.buttons] == ["Back", "CSV", "Newest"]
    assert "no page 4" in (await stage.card("/trades 3 page=4")).title
    rows = cells(await stage.card("/trades csv"))
    assert [row["id"] for row in rows][-1] == "btc-k3f9x2pa"
    assert (rows[0]["net"], rows[0]["reason"]) == ("-12.7324922", "stop loss")


async def test_decisions_of_a_pair_and_of_an_outcome(stage: Stage) -> None:
    await decide(stage, *(a_wait(f"btc-zz{n:06}") for n in range(12)), a_long("denied"))
    assert "btc-yyyyyyyy" in (await stage.card("/decisions denied")).plain()
    traded = await stage.card("/decisions traded BTC")
    assert [line for line in traded.lines if "btc-" in line] == ["BTC long 0.71, 14:05 UTC, btc-k3f9x2pa"]
    waits = await stage.card("/decisions wait")
    assert len([line for line in waits.lines if "btc-zz" in line]) == 10
    assert button(waits, "Next") == "re:/decisions wait page=2"
    assert "btc-zz000000" in (await stage.card(button=button(waits, "Next"))).plain()
    rows = cells(await stage.card("/decisions BTC wait csv"))
    assert (len(rows), rows[0]["outcome"], rows[0]["symbol"]) == (12, "wait", "BTC/USDT:USDT")


async def test_a_trade_comes_with_orders_and_its_candles(stage: Stage) -> None:
    stage.desk.series = some_candles()
    filled = examples.an_order(status=OrderStatus.FILLED, filled=D("0.0124"))
    await stage.desk.journal.commit([], [replace(filled, note="by the panel")])
    card = await stage.card("/trade btc-k3")
    assert isinstance(card.picture, CandlesPicture)
    assert "14:05 UTC: bought 0.0124 @ 64,210.5 (entry), fee 0.32" in card.lines
    assert any("entry: buy market, filled" in line and "by the panel" in line for line in card.detail)
    stage.desk.series = None
    assert (await stage.card("/trade btc-k3")).picture is None


async def test_an_open_position_is_no_trade_yet(stage: Stage) -> None:
    view = stage.desk.view.positions[0]
    held = replace(view, position=replace(view.position, id="eth-open0001"))
    stage.desk.view = replace(stage.desk.view, positions=(held,))
    assert "eth-open0001 is still open" in (await stage.card("/trade eth-open")).plain()


# --- why -----------------------------------------------------------------------------------------------------------


async def test_a_question_the_last_wait_cannot_answer_is_about_the_last_trade(stage: Stage) -> None:
    await decide(stage, a_wait())
    assert (await stage.card("/ask why this size?")).title == "PAPER btc-k3f9x2pa: BTC long"
    assert (await stage.card("/ask which votes?")).title == "PAPER btc-zzzzzzzz: BTC wait"
    assert (await stage.card("/ask what is the weather")).title == "PAPER btc-zzzzzzzz: BTC wait"


async def test_a_record_judged_again_is_the_same_bit_for_bit(stage: Stage) -> None:
    await decide(stage, a_wait(), a_long())
    for id in ("btc-zzzzzzzz", "btc-yyyyyyyy"):
        card = await stage.card(f"/replay {id}")
        assert card.title == f"PAPER {id}: the same, bit for bit"
        assert f"By the settings of then: {BOOK.hash}" in card.plain()


async def test_a_record_that_was_touched_is_noticed(stage: Stage) -> None:
    made = a_long()
    touched = replace(made, verdict=replace(made.verdict, tally=replace(made.verdict.tally, standing=3)))
    await decide(stage, touched)
    card = await stage.card("/replay btc-yyyyyyyy")
    assert "the same side, not the same" in card.title
    assert "tally standing: 3 -> 2" in card.lines


async def test_the_settings_of_then_are_found_in_the_file_of_their_name(stage: Stage) -> None:
    other = load("sigma")
    made = replace(a_wait(), playbook="sigma", playbook_hash=other.hash)
    await decide(stage, replace(made, verdict=judge(made.opinions, made.weights, other.judge)))
    assert "the same, bit for bit" in (await stage.card("/replay last")).title
    gone = replace(made, id="btc-gggggggg", playbook="torn", playbook_hash="0" * 12)
    await decide(stage, gone)
    assert "Not the settings of then: those were 000000000000 (torn)" in (await stage.card("/replay last")).plain()


async def test_other_settings_turn_a_wait_as_far_as_the_record_goes(stage: Stage) -> None:
    await decide(stage, a_wait())
    card = await stage.card("/whatif last whale.weight=0.23")
    assert card.title == "PAPER btc-zzzzzzzz: wait -> long, gate not known"
    assert "panel.whale.weight: 2 -> 0.23" in card.lines
    assert "it was not asked then" in card.plain()
    almost = await stage.card("/whatif last whale.weight=0.231")
    assert "wait all the same" in almost.title


async def test_a_limit_that_would_have_let_it_pass(stage: Stage) -> None:
    passed = examples.PASSED[0]
    full = replace(passed, rule="position count", passed=False, limit="under 5", value="5", reason="5 of 5")
    denied = a_long("denied")
    assert denied.gate is not None
    await decide(stage, replace(denied, gate=replace(denied.gate, rule="position count", answers=(passed, full))))
    found = await stage.card("/whatif last")
    assert "limits.max_positions 5 -> 6 (20% away): position count passes" in found.lines
    assert "Rules behind position count were not asked" in found.plain()
    tried = await stage.card(button=button(found, "limits.max_positions"))
    assert tried.title == "PAPER btc-yyyyyyyy: denied -> long, gate not known"
    assert "position count passed: 5, has to be below 6" in tried.lines
    assert "denied all the same" in (await stage.card("/whatif last max_positions=4")).title


async def test_a_side_that_a_person_has_chosen_hangs_on_no_vote(stage: Stage) -> None:
    await decide(stage, replace(a_long(), by="Ana (telegram:7)"))
    said = (await stage.card("/whatif last")).plain()
    assert "The side was chosen by Ana (telegram:7): no vote bears on it." in said
    assert "min_confidence 0.6 ->" not in said


def test_the_zone_of_the_test_has_no_summer_time() -> None:
    assert ZoneInfo("Asia/Tokyo").utcoffset(examples.AT) == timedelta(hours=9)
