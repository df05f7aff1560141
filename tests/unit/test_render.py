"""How numbers, times and lines are written on every card alike."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest

from bot.render import words
from bot.render.alerts import render_event
from bot.render.changes import change_lines, range_words
from bot.render.words import TITLE_LIMIT, RenderContext
from bot.surface import Button, Table
from tests import surface_examples as examples
from trading import events as m
from trading.model import Leg, OrderStatus

ABOUT = RenderContext()


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


def test_a_long_title_that_ends_in_dots_is_said_in_full_too() -> None:
    title = "word " * 30 + "and so on…"
    assert words.card(title).lines == (title,)


def test_a_title_that_was_cut_is_said_in_full_once_whatever_it_wears() -> None:
    long, nearly = words.card("word " * 30, "more"), words.card("x" * 58, "more")
    worn = words.dressed(long, ABOUT), words.dressed(nearly, ABOUT)
    assert [w.lines for w in worn] == [(*long.lines, ABOUT.market), (f"PAPER {'x' * 58}", "more", ABOUT.market)]
    assert all(w.title.startswith("PAPER ") and len(w.title) == 60 for w in worn[1:])


def test_what_only_begins_like_the_mode_does_not_wear_it() -> None:
    assert words.dressed(words.card("PAPERS are well again"), ABOUT).title == "PAPER PAPERS are well again"


def test_a_button_says_what_can_be_read_and_one_that_no_chat_carries_is_left_out() -> None:
    wanted = (
        Button(label="a\u202eb\n" + "x" * 60, data="do:/a"),
        Button(label="\u200b", data="do:/b"),
        Button(label="c", data="do:/" + "c" * 61),
        Button(label="d", data="do:/\ud800"),
    )
    made = words.card("t", buttons=wanted).buttons
    assert [b.label for b in made] == ["a b " + "x" * 35 + "…", "-"]


def test_a_row_of_a_table_stands_in_one_line() -> None:
    row = ("k" * 300, "+12.00", "3 trades")
    (shown,) = words.card("t", table=Table(head=("a", "b", "c"), rows=(row,))).body()
    assert shown == f"{'k' * 62}… · +12.00 · 3 trades"


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("limits.max_risk", "above 0, at most 1, or none", "above 0%, at most 100%, or none"),
        ("phases.final.stop_loss", "above 0, at most 0.5", "above 0%, at most 50%"),
        ("judge.min_confidence", "above 0, at most 1", "above 0, at most 1"),
        ("limits.max_positions", "whole, from 0", "whole, from 0"),
    ],
)
def test_a_range_reads_like_the_value(key: str, text: str, words: str) -> None:
    assert range_words(key, text) == words


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


@pytest.mark.parametrize("what", ["added", "removed", "role", "linked", "unlinked", "renamed"])
def test_a_change_of_people_fits_its_title_whatever_the_name(what: str) -> None:
    event = m.PeopleChanged(at=examples.AT, by="x", person="n" * 40, what=what, before="viewer", after="operator")
    made = render_event(event, ABOUT)
    assert made is not None
    assert len(made.title) <= TITLE_LIMIT
    assert "n" * 40 in made.plain()
