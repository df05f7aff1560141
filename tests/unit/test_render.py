"""Alert cards word for word (tests/golden/*.txt; rewrite them with GAVEL_GOLDEN=write), and how numbers are written."""

import difflib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.render import words
from bot.render.alerts import RENDERERS, WORDLESS, render_event
from bot.render.changes import change_lines, phase_card, playbooks_card, shadows_card
from bot.render.market import exposure_card, market_card, regimes_card
from bot.render.risk import breaker_card
from bot.render.words import RenderContext
from bot.surface import Card
from tests import risk_examples as risk
from tests import surface_examples as examples
from trading import messages as m
from trading.breaker import Tripwire
from trading.model import Leg, OrderStatus
from trading.playbook import Phase, Playbook, load

GOLDEN = Path(__file__).parents[1] / "golden"
ABOUT = RenderContext()


def as_text(card: Card) -> str:
    buttons = [f"[{b.label}] {b.data}" for b in card.buttons]
    parts = [[card.title], list(card.lines), *([["--- detail", *card.detail]] if card.detail else []), buttons]
    return "\n".join(line for part in parts for line in part) + "\n"


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GAVEL_GOLDEN") == "write":
        path.write_text(text)
    assert path.is_file(), f"no golden file {name}: write it with GAVEL_GOLDEN=write"
    diff = "\n".join(
        difflib.unified_diff(path.read_text().splitlines(), text.splitlines(), "golden", "now", lineterm="")
    )
    assert not diff, f"{name}:\n{diff}"


def phased() -> Playbook:
    dated = Phase(
        name="final", note="protect what is there", starts=examples.AT, ends=examples.AT + timedelta(days=7),
        take_profit=D("0.02"), stop_loss=D("0.01"), max_hold=timedelta(hours=6), max_positions=3,
    )  # fmt: skip
    return load("desk").model_copy(update={"phases": (Phase(name="early"), dated)})


EVENTS = examples.events()


@pytest.mark.parametrize("name", EVENTS)
def test_alert_is_worded_as_agreed(name: str) -> None:
    card = render_event(EVENTS[name], ABOUT)
    assert card is not None
    check_golden(f"alert_{name}", as_text(card))


@pytest.mark.parametrize("name", EVENTS)
def test_alert_wears_mode_and_market(name: str) -> None:
    card = render_event(EVENTS[name], RenderContext(mode="PAPER", market="history: hourly candles"))
    assert card is not None
    assert card.title.startswith("PAPER ")
    assert "history: hourly candles" in card.lines[-1]


@pytest.mark.parametrize("name", EVENTS)
def test_buttons_fit_into_telegrams_64_bytes(name: str) -> None:
    card = render_event(EVENTS[name], ABOUT)
    assert card is not None
    assert all(len(button.data.encode()) <= 64 for button in card.buttons)


def test_every_event_has_words_or_is_said_to_have_none() -> None:
    assert set(m.EVENTS.values()) == set(RENDERERS) | WORDLESS


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("breaker", breaker_card(risk.view(), examples.AT)),
        ("breaker_throttle", breaker_card(risk.view(risk.throttled()), examples.AT)),
        ("breaker_shutdown", breaker_card(risk.view(risk.shut_down()), examples.AT)),
        ("breaker_overridden", breaker_card(risk.view(risk.overridden()), examples.AT)),
        ("breaker_unknown", breaker_card(risk.view(replace(risk.throttled(), unknown=(Tripwire.BOOKS,))), examples.AT)),
        ("market", market_card(risk.a_market())),
        ("market_silent", market_card(risk.a_silent_market())),
        ("regimes", regimes_card(risk.regimes())),
        ("exposure", exposure_card(risk.an_exposure())),
        ("exposure_unknown", exposure_card(risk.an_unknown_exposure())),
        ("shadows", shadows_card([risk.a_shadow_desk(), risk.a_shadow_desk(playbook="sigma", equity=None)])),
        ("shadows_none", shadows_card([])),
        ("phase", phase_card(phased(), "base", 4)),
        ("playbooks", playbooks_card((("desk", "The house playbook"), ("mine", "faulty: sizing: missing")), "desk")),
    ],
)  # fmt: skip
def test_view_is_worded_as_agreed(name: str, card: Card) -> None:
    check_golden(f"view_{name}", as_text(card))


@pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET])
def test_the_orders_of_a_protection_are_told_by_its_own_card(leg: Leg) -> None:
    assert render_event(m.OrderSent(at=examples.AT, order=examples.an_order(leg)), ABOUT) is None
    gone = examples.an_order(leg, status=OrderStatus.CANCELLED)
    assert render_event(m.OrderEnded(at=examples.AT, order=gone), ABOUT) is None
    refused = examples.an_order(leg, status=OrderStatus.REJECTED, note="no")
    assert render_event(m.OrderEnded(at=examples.AT, order=refused), ABOUT) is not None


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0", "0.00"), ("-0.001", "0.00"), ("0.004", "0.00"), ("-0.0", "0.00"), ("12.4", "+12.40"), ("-3.105", "-3.10"),
     ("1234567.891", "+1,234,567.89")],
)  # fmt: skip
def test_money_has_a_sign_and_never_a_negative_zero(value: str, shown: str) -> None:
    assert words.money(D(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("64210.5", "64,210.5"), ("64210.50", "64,210.50"), ("0.08123", "0.08123"), ("1E+2", "100"),
     ("64210.5333333333333333333", "64,210.53"), ("0.1234567891234", "0.1234568")],
)  # fmt: skip
def test_a_price_is_shown_as_given_and_an_average_with_seven_digits(value: str, shown: str) -> None:
    assert words.price(D(value)) == shown


def test_an_average_takes_the_decimals_of_a_price_on_the_tick() -> None:
    assert words.price(D("64210.5333333"), D("62605.2")) == "64,210.5"


@pytest.mark.parametrize(
    ("millionths", "shown"), [(599_999, "0.59"), (600_000, "0.60"), (0, "0.00"), (1_000_000, "1.00")]
)
def test_a_confidence_under_a_border_never_reads_as_on_it(millionths: int, shown: str) -> None:
    assert words.confidence(millionths) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(61.4321, "61.43"), (-0.0123456, "-0.01235"), (0.0, "0"), (1e-12, "0"), (13.0, "13"), (12.99981, "13.00"),
     (123456.7, "123,457"), (float("nan"), "not a number")],
)  # fmt: skip
def test_evidence_has_four_significant_digits(value: float, shown: str) -> None:
    assert words.number(value) == shown


def test_a_time_says_its_zone_and_its_date_when_it_is_not_today() -> None:
    at = datetime(2024, 5, 3, 23, 30, tzinfo=UTC)
    assert words.clock(at, today=at) == "23:30 UTC"
    assert words.clock(at, today=at + timedelta(hours=1)) == "2024-05-03 23:30 UTC"
    assert words.clock(at, today=at, zone=ZoneInfo("Europe/Berlin")) == "01:30 CEST"


def test_a_long_title_is_cut_and_said_in_full_below() -> None:
    card = words.card("word " * 30)
    assert len(card.title) <= 60
    assert card.lines[0] == ("word " * 30).strip()


def test_a_seat_or_a_phase_that_comes_or_goes_is_one_line() -> None:
    changes = (
        ("panel.whale.weight", "2", ""),
        ("panel.whale.window", "15m", ""),
        ("panel.sigma.weight", "", "1"),
        ("panel.flow.weight", "1.5", "1"),
        ("phases.final.name", "final", ""),
        ("phases.final.max_hold", "6h", ""),
        ("phases.mid.max_hold", "6h", ""),
        ("exits.max_hold", "", "24h"),
    )
    assert change_lines(changes) == (
        "panel.whale: left out",
        "panel.sigma: added",
        "panel.flow.weight: 1.5 -> 1",
        "phase final: left out",
        "phase mid, max_hold: 6h -> not set",
        "exits.max_hold: not set -> 24h",
    )


def test_an_optional_part_that_comes_or_goes_is_one_line_and_people_read_percent() -> None:
    changes = (
        ("expectancy.enough", "30", ""),
        ("expectancy.damps.1.below", "0.3", ""),
        ("exits.trailing.arm", "", "0.015"),
        ("exits.trailing.step", "", "0.0005"),
        ("exits.partials.1.at", "", "0.02"),
        ("exits.partials.1.share", "", "0.25"),
        ("portfolio.asset", "0.4", "0.3"),
        ("portfolio.static.BTC-SOL", "", "0.7"),
        ("phases.final.stop_loss", "0.025 (base)", "0.01"),
        ("limits.max_risk", "0.02", "0.05"),
    )
    assert change_lines(changes) == (
        "expectancy: left out",
        "exits.trailing: added",
        "exits.partials.1: added",
        "portfolio.asset: 0.4 -> 0.3",
        "portfolio.static.BTC-SOL: not set -> 0.7",
        "phase final, stop_loss: 2.5% (base) -> 1%",
        "limits.max_risk: 2% -> 5%",
    )


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    card = render_event(m.TradingHalted(at=examples.AT, by="x", reason="\x1b[2Jgone\u202e\nnext"), ABOUT)
    assert card is not None
    assert "\x1b" not in card.plain()
    assert "\u202e" not in card.plain()
