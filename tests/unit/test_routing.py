"""Which event goes where, how loudly, and what nobody can switch off."""

import pytest

from bot.routing import DEFAULTS, KINDS, MODES, REQUIRED, Routing, kind_of
from storage.outbox import Lane
from tests import surface_examples as examples
from trading import messages as m

HERE, THERE = "console:main", "telegram:7"
EVENTS = examples.events()


def told(routing: Routing, name: str) -> list[tuple[str, bool]]:
    return [(r.destination, r.silent) for r in routing(EVENTS[name])]


def test_every_event_has_a_kind_or_is_never_told() -> None:
    never = {m.OrderIntended, m.PositionOpened, m.CommandRun}
    kinds = {type(e): kind_of(e) for e in EVENTS.values()}
    assert set(m.EVENTS.values()) == set(kinds) | never
    assert set(kinds.values()) <= set(KINDS)
    assert set(DEFAULTS) <= set(KINDS)


@pytest.mark.parametrize(
    ("name", "silent"),
    [("decision_long", False), ("order_filled_entry", False), ("exit_triggered", False), ("trade_closed", False),
     ("halted", False), ("protection_failed", False), ("books_disagreed", False), ("venue_lost", False),
     ("desk_faulted", False), ("waits_summed", True), ("order_sent", True), ("protection_confirmed", True),
     ("breaker_alert", False), ("breaker_throttle", False), ("breaker_shutdown", False), ("breaker_recovered", False),
     ("breaker_reset", False), ("breaker_overridden", False), ("breaker_override_ended", False),
     ("health_changed", False), ("sizing_stopped", False), ("partial_triggered", False),
     ("stop_moved_break_even", True), ("stop_not_moved", True), ("shadow_opened", True), ("shadow_closed", True),
     ("settings_changed", True), ("playbook_changed", True), ("shadow_desk_added", True)],
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
    routing = Routing([HERE], {(HERE, kind): "off"})
    assert routing.mode(HERE, kind) == "on"
    with pytest.raises(ValueError, match="cannot be"):
        routing.change(HERE, kind, "off")
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
