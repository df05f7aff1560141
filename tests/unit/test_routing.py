"""Which event goes where, how loudly, and what nobody can switch off."""

from datetime import timedelta
from decimal import Decimal as D

import pytest

from bot.routing import DEFAULTS, KINDS, MODES, REQUIRED, STREAM_OF, STREAMS, Routing, kind_of, thread_of
from storage.outbox import Lane
from tests import surface_examples as examples
from tests.surface_examples import AT, BTC, ID
from trading import events as m

HERE, THERE = "console:main", "telegram:7"
ANA = "Ana (telegram:7)"
OF_THE_CHAT: dict[str, m.Event] = {
    "pair_locked": m.PairLocked(at=AT, symbol=BTC, direction=None, until=None, by=ANA, reason="news"),
    "pair_unlocked": m.PairUnlocked(at=AT, symbol=BTC, by=ANA),
    "flattened": m.Flattened(at=AT, by=ANA, positions=(ID,), withdrawn=1),
    "approval_asked": m.ApprovalAsked(at=AT, by=ANA, what="resume", token="f" * 16, until=AT),
    "wish_changed": m.WishChanged(at=AT, by=ANA, owner="person:ana", wish="quiet", before="", after="22-07"),
    "people_changed": m.PeopleChanged(at=AT, by=ANA, person="bob", what="added", before="", after="viewer"),
    "playbook_written": m.PlaybookWritten(at=AT, by=ANA, playbook="mine", parent="desk"),
    "period_summed": m.PeriodSummed(
        at=AT,
        weekly=False,
        since=AT - timedelta(days=1),
        until=AT,
        trades=0,
        wins=0,
        net=D(0),
        fees=D(0),
        funding=D(0),
        equity=None,
        open=0,
    ),
}
EVENTS = OF_THE_CHAT | examples.events()


def told(routing: Routing, name: str) -> list[tuple[str, bool]]:
    return [(r.destination, r.silent) for r in routing(EVENTS[name])]


def test_every_event_has_a_kind_or_is_never_told() -> None:
    never = {m.OrderIntended, m.PositionOpened, m.CommandRun}
    kinds = {type(e): kind_of(e) for e in EVENTS.values()}
    assert set(m.EVENTS.values()) == set(kinds) | never
    assert set(kinds.values()) <= set(KINDS)
    assert set(DEFAULTS) <= set(KINDS)
    assert set(STREAM_OF) == set(KINDS)
    assert set(STREAM_OF.values()) == set(STREAMS)


@pytest.mark.parametrize(
    ("name", "silent"),
    [("decision_long", False), ("order_filled_entry", False), ("exit_triggered", False), ("trade_closed", False),
     ("halted", False), ("protection_failed", False), ("books_disagreed", False), ("venue_lost", False),
     ("desk_faulted", False), ("waits_summed", True), ("order_sent", True), ("protection_confirmed", True),
     ("breaker_alert", False), ("breaker_throttle", False), ("breaker_shutdown", False), ("breaker_recovered", False),
     ("breaker_reset", False), ("breaker_overridden", False), ("breaker_override_ended", False),
     ("health_changed", False), ("sizing_stopped", False), ("partial_triggered", False),
     ("stop_moved_break_even", True), ("stop_not_moved", True), ("shadow_opened", True), ("shadow_closed", True),
     ("settings_changed", True), ("playbook_changed", True), ("shadow_desk_added", True),
     ("pair_locked", False), ("pair_unlocked", False), ("flattened", False), ("approval_asked", False),
     ("wish_changed", True), ("people_changed", True), ("playbook_written", True), ("period_summed", True)],
)  # fmt: skip
def test_what_is_told_unasked(name: str, silent: bool) -> None:
    assert told(Routing([HERE, THERE]), name) == [(HERE, silent), (THERE, silent)]


@pytest.mark.parametrize(
    "name", ["decision_wait", "decision_denied", "decision_stopped", "funding_paid", "stop_moved_trailing"]
)
def test_what_the_digest_or_the_close_covers_is_not_told_alone(name: str) -> None:
    assert told(Routing([HERE]), name) == []


def test_a_preference_holds_for_its_chat_alone() -> None:
    routing = Routing([HERE, THERE], {(HERE, "fill"): "off", (THERE, "wait"): "silent"})
    assert told(routing, "order_filled_entry") == [(THERE, False)]
    assert told(routing, "decision_wait") == [(THERE, True)]
    assert routing.change(HERE, "fill", "on") == "off"
    assert told(routing, "order_filled_entry") == [(HERE, False), (THERE, False)]


@pytest.mark.parametrize("kind", sorted(REQUIRED))
def test_risk_cannot_be_switched_off(kind: str) -> None:
    for kept in ("off", "digest", "loud"):
        assert Routing([HERE], {(HERE, kind): kept}).mode(HERE, kind) == "on"
    routing = Routing([HERE])
    for mode in ("off", "digest", "loud"):
        with pytest.raises(ValueError, match="cannot be"):
            routing.change(HERE, kind, mode)
    assert routing.change(HERE, kind, "silent") == "on"


@pytest.mark.parametrize(
    "name",
    ["halted", "resumed", "protection_failed", "books_disagreed", "venue_lost", "venue_back", "breaker_alert",
     "breaker_throttle", "breaker_shutdown", "breaker_recovered", "health_changed", "sizing_stopped"],
)  # fmt: skip
def test_risk_overtakes(name: str) -> None:
    assert [r.lane for r in Routing([HERE])(EVENTS[name])] == [Lane.RISK]


def test_the_breaker_can_be_muted_below_throttle_and_never_above() -> None:
    routing = Routing([HERE], {(HERE, "breaker"): "off", (HERE, "risk"): "off"})
    assert told(routing, "breaker_alert") == told(routing, "breaker_recovered") == []
    assert told(routing, "breaker_throttle") == told(routing, "breaker_shutdown") == [(HERE, False)]


def test_shadow_trades_have_a_kind_of_their_own() -> None:
    routing = Routing([HERE], {(HERE, "shadow"): "off"})
    assert told(routing, "shadow_opened") == told(routing, "shadow_closed") == []
    assert told(routing, "trade_closed") == [(HERE, False)]


def test_a_fill_overtakes_a_decision_and_follows_its_order() -> None:
    routing = Routing([HERE])
    order, fill, decision = (routing(EVENTS[n])[0].lane for n in ("order_sent", "order_filled_entry", "decision_long"))
    assert order == fill < decision


def test_modes_of_a_chat_name_every_kind() -> None:
    assert set(Routing([HERE]).modes(HERE)) == set(KINDS)
    assert set(Routing([HERE]).modes(HERE).values()) <= set(MODES)


# --- how each is told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_what_is_critical_is_what_nobody_can_switch_off(name: str) -> None:
    event = EVENTS[name]
    routing = Routing([HERE], {(HERE, kind): "on" for kind in KINDS})
    (route,) = routing(event)
    assert route.critical is (kind_of(event) in REQUIRED)
    assert not route.critical or route.lane is Lane.RISK


@pytest.mark.parametrize(
    ("name", "thread"),
    [(name, ID) for name in ("decision_long", "order_sent", "order_filled_entry", "order_filled_stop", "trade_closed",
                             "order_rejected", "order_uncertain", "protection_confirmed", "protection_failed",
                             "exit_triggered", "partial_triggered", "stop_moved_break_even", "stop_not_moved",
                             "funding_paid", "shadow_opened", "shadow_closed")]
    + [(name, "") for name in ("decision_wait", "decision_denied", "waits_summed", "halted", "venue_lost",
                               "breaker_throttle", "books_disagreed", "people_changed", "period_summed", "flattened")],
)  # fmt: skip
def test_the_messages_of_a_trade_are_one_thread(name: str, thread: str) -> None:
    assert thread_of(EVENTS[name]) == thread


def test_in_digest_mode_it_waits_for_the_others() -> None:
    routing = Routing([HERE, THERE], {(THERE, "fill"): "digest"})
    assert [route.bundle for route in routing(EVENTS["order_filled_entry"])] == ["", "digest"]
    assert routing.change(HERE, "fill", "digest") == "on"
    assert [route.bundle for route in routing(EVENTS["order_filled_entry"])] == ["digest", "digest"]


class Least:
    """Ann wants to hear of results from 40 on."""

    def min_pnl(self, owner: str) -> D:
        return D(40) if owner == "person:ann" else D(0)


@pytest.mark.parametrize(
    ("net", "mode", "bundle"),
    [("39.99", "on", "digest"), ("40", "on", ""), ("-39.99", "silent", "digest"), ("-40", "silent", "")],
)
def test_a_small_result_goes_into_the_digest_of_who_wants_no_small_ones(net: str, mode: str, bundle: str) -> None:
    owners = {THERE: "person:ann"}
    routing = Routing([HERE, THERE], {(THERE, "close"): mode}, wishes=Least(), owner=lambda d: owners.get(d, d))
    trade = examples.a_trade(gross=D(net), fees=D(0), funding=D(0))
    assert trade.net == D(net)
    here, there = routing(m.TradeClosed(at=AT, trade=trade, equity=D(1)))
    assert (here.bundle, there.bundle) == ("", bundle)
    assert there.silent is (mode == "silent" and not bundle)


def test_where_closes_are_off_a_large_result_is_off_too() -> None:
    routing = Routing([HERE], {(HERE, "close"): "off"}, wishes=Least())
    assert routing(EVENTS["trade_closed"]) == []


# --- where it is told -------------------------------------------------------------------------------------------------

GROUP, TOPIC = "telegram:-100", "telegram:-100/5"


@pytest.mark.parametrize(
    ("name", "stream"),
    [("decision_long", "decisions"), ("waits_summed", "decisions"), ("order_filled_entry", "fills"),
     ("trade_closed", "fills"), ("breaker_alert", "risk"), ("breaker_throttle", "risk"), ("venue_lost", "risk"),
     ("desk_started", "ops"), ("access_refused", "ops"), ("chat_troubled", "ops")],
)  # fmt: skip
def test_each_stream_can_have_a_topic_of_its_own(name: str, stream: str) -> None:
    routing = Routing([GROUP, THERE], streams={(GROUP, stream): TOPIC})
    assert [route.destination for route in routing(EVENTS[name])] == [TOPIC, THERE]
    others = Routing([GROUP], streams={(GROUP, other): TOPIC for other in STREAMS if other != stream})
    assert [route.destination for route in others(EVENTS[name])] == [GROUP]


def test_a_stream_is_set_and_set_back() -> None:
    routing = Routing([GROUP])
    assert routing.set_stream(GROUP, "fills", TOPIC) == GROUP
    assert routing.streams(GROUP) == {"decisions": GROUP, "fills": TOPIC, "risk": GROUP, "ops": GROUP}
    assert routing.set_stream(GROUP, "fills", "") == TOPIC
    assert routing.streams(GROUP) == dict.fromkeys(STREAMS, GROUP)
    with pytest.raises(ValueError, match="no stream"):
        routing.set_stream(GROUP, "gossip", TOPIC)


def test_where_streams_meet_an_event_is_told_once_and_as_loudly_as_anybody_wants() -> None:
    """Two rows of one event for one place would be refused by the database, and the event with them."""
    preferences = {(GROUP, "fill"): "digest", (THERE, "fill"): "silent", (TOPIC, "fill"): "on"}
    routing = Routing([GROUP, THERE, TOPIC], preferences, streams={(GROUP, "fills"): TOPIC, (THERE, "fills"): TOPIC})
    (route,) = routing(EVENTS["order_filled_entry"])
    assert (route.destination, route.silent, route.bundle) == (TOPIC, False, "")


def test_a_topic_is_told_things_as_its_group_wants_them() -> None:
    routing = Routing([GROUP, THERE], streams={(GROUP, "fills"): TOPIC}, owner=lambda place: f"owner of {place}")
    assert [routing.home(place) for place in (GROUP, TOPIC, THERE, "discord:1")] == [GROUP, GROUP, THERE, "discord:1"]
    assert routing.owner_of(TOPIC) == f"owner of {GROUP}"


def test_destinations_come_and_go() -> None:
    routing = Routing([HERE])
    assert (routing.add(THERE), routing.add(THERE)) == (True, False)
    assert routing.destinations == (HERE, THERE)
    assert told(routing, "halted") == [(HERE, False), (THERE, False)]
    assert (routing.remove(HERE), routing.remove(HERE)) == (True, False)
    assert told(routing, "halted") == [(THERE, False)]
