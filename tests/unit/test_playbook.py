"""A playbook is data: what is wrong in it is named, with the nearest that is right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_playbook
from trading.errors import BadPlaybook
from trading.playbook import Playbook, Quorum, available, load, parse, parse_span, span_text

D = Decimal
SMALL = """
name = "small"
title = "A small one"
universe = ["BTC", "ETH", "SOL"]
[panel.flow]
weight = 1.5
[panel.technical]
weight = 1.0
"""


def small(more: str = "") -> Playbook:
    return parse(SMALL + more, origin="small.toml")


def fault(more: str, *, text: str = SMALL) -> str:
    with pytest.raises(BadPlaybook) as caught:
        parse(text + more, origin="small.toml")
    return str(caught.value)


# --- what is shipped --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", available())
def test_every_shipped_playbook_loads_and_bears_its_files_name(name: str) -> None:
    found = load(name)
    assert found.name == name
    assert found.title
    assert {p.name for p in found.phases} == {"early", "mid", "late", "final"}
    assert set(found.seats("SOL")) < set(found.seats("BTC")), "WHALE exists for tier 1 alone"


def test_the_promised_playbooks_are_shipped() -> None:
    assert {"desk", "smt-3.1"} <= set(available())


@pytest.mark.parametrize("name", available())
def test_a_shipped_playbook_leaves_a_stop_before_liquidation(name: str) -> None:
    """Unlevered stops of 2.5 % at 20x: 1/20 - 0.5 % of maintenance, x 0.7 = 3.15 %."""
    found = load(name)
    widest = max([found.exits.stop_loss, *(p.stop_loss for p in found.phases if p.stop_loss)])
    assert widest <= (1 / D(found.sizing.leverage) - D("0.005")) * D("0.7")


def test_the_borders_of_the_paper_it_is_from() -> None:
    found = load("smt-3.1")
    assert (found.judge.min_confidence, found.judge.dominance) == (D("0.60"), D("1.15"))
    assert [s.above for s in found.sizing.steps] == [D("0.80"), D("0.70"), D("0.60")]
    assert (found.schedule.signals_every, found.schedule.watch_every) == (timedelta(hours=2), timedelta(minutes=3))


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "where", "nearest"),
    [
        ("[judge]\nmin_confidense = 0.6", "judge.min_confidense", "min_confidence"),
        ("[limits]\nmax_leverag = 3", "limits.max_leverag", "max_leverage"),
        ("[exits]\nstoploss = 0.1", "exits.stoploss", "stop_loss"),
        ("[panel.whale]\nweight = 1\nenabeld = true", "panel.whale.enabeld", "enabled"),
        ('[[phases]]\nname = "a"\ntake_profits = 0.1', "phases.0.take_profits", "take_profit"),
        ("[sizing]\nsteps = [{ above = 0.6, margins = 0.1 }]", "sizing.steps.0.margins", "margin"),
        ("[scheduel]\nbar = '1h'", "scheduel", "schedule"),
    ],
)
def test_an_unknown_key_names_the_nearest(more: str, where: str, nearest: str) -> None:
    said = fault(more)
    assert f"{where}: unknown key; did you mean '{nearest}'?" in said
    assert said.startswith("small.toml:")


def test_an_unknown_key_that_is_near_to_none_names_all() -> None:
    said = fault("[judge]\nzzz = 1")
    assert "judge.zzz: unknown key; known: min_confidence, min_agreeing" in said


def test_an_unknown_persona_names_the_nearest() -> None:
    assert "did you mean 'sentiment'?" in fault("[panel.sentimant]\nweight = 1")


def test_an_unknown_playbook_names_the_nearest() -> None:
    with pytest.raises(BadPlaybook, match=r"no playbook 'desc'; did you mean 'desk'\?"):
        load("desc")


def test_every_fault_is_named_at_once() -> None:
    said = fault("[judge]\nmin_confidence = 2\ndrag = -1\n[limits]\nmax_risk = 0")
    assert all(key in said for key in ("judge.min_confidence", "judge.drag", "limits.max_risk"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[sizing]\nleverage = 21", "sizing.leverage is above limits.max_leverage"),
        ("[sizing]\nfloor = 0.2", "floor is above ceiling"),
        ("[sizing]\nsteps = [{ above = 0.6, margin = 0.1 }, { above = 0.7, margin = 0.1 }]", "must fall strictly"),
        ("[sizing]\nsteps = [{ above = 0.6, margin = 0.1 }, { above = 0.6, margin = 0.1 }]", "must fall strictly"),
        ('[[phases]]\nname = "a"\n[[phases]]\nname = "a"', "a name stands twice"),
        ('[[phases]]\nname = "a"\nstarts = 2026-01-01T00:00:00Z', "starts and ends go together"),
        ('[[phases]]\nname = "a"\nstarts = 2026-01-02T00:00:00Z\nends = 2026-01-01T00:00:00Z', "not before"),
        ('[[phases]]\nname = "a"\nstarts = 2026-01-01T00:00:00\nends = 2026-01-02T00:00:00', "UTC"),
        ("[exits]\nmax_hold = '0h'", "exits.max_hold"),
        ("[exits]\nmax_hold = '24 hours'", "exits.max_hold"),
        ("[panel.whale]\nweight = -1", "panel.whale.weight"),
        ("[panel.whale]\nweight = 1.0001", "panel.whale.weight"),
    ],
)
def test_what_does_not_fit_is_refused(more: str, words: str) -> None:
    assert words in fault(more)


def test_phases_that_overlap_are_refused() -> None:
    a = '[[phases]]\nname = "a"\nstarts = 2026-01-01T00:00:00Z\nends = 2026-01-03T00:00:00Z\n'
    b = '[[phases]]\nname = "b"\nstarts = 2026-01-02T00:00:00Z\nends = 2026-01-04T00:00:00Z\n'
    assert "a and b overlap" in fault(a + b)
    small(a + b.replace("01-02", "01-03"))  # one ends as the other begins


def test_what_is_missing_is_named() -> None:
    assert "title: missing" in fault("", text=SMALL.replace('title = "A small one"', ""))


def test_what_is_not_toml_is_said_to_be_so() -> None:
    assert "not TOML" in fault("[judge\n")


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMALL)
    assert load(str(tmp_path / "mine.toml")) == small()


# --- phases -----------------------------------------------------------------------------------------------------------

DATED = """
[[phases]]
name = "first"
starts = 2026-01-01T00:00:00Z
ends = 2026-01-08T00:00:00Z
take_profit = 0.03
max_positions = 2
[[phases]]
name = "byhand"
stop_loss = 0.01
"""


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 1, tzinfo=UTC), "first"),
        (datetime(2026, 1, 7, 23, 59, 59, tzinfo=UTC), "first"),
        (datetime(2026, 1, 8, tzinfo=UTC), None),
    ],
)
def test_a_phase_begins_and_ends_by_its_dates(at: datetime, name: str | None) -> None:
    phase = small(DATED).phase_at(at)
    assert (phase.name if phase else None) == name


def test_a_phase_changes_what_it_names_and_nothing_else() -> None:
    house = small(DATED)
    first, by_hand = house.phase_named("first"), house.phase_named("byhand")
    assert house.exits_in(first) == house.exits.model_copy(update={"take_profit": D("0.03")})
    assert house.exits_in(by_hand) == house.exits.model_copy(update={"stop_loss": D("0.01")})
    assert house.exits_in(None) == house.exits
    assert [house.max_positions_in(p) for p in (first, by_hand, None)] == [2, 5, 5]
    assert house.phase_named("nobody") is None


# --- hash -------------------------------------------------------------------------------------------------------------


def test_the_hash_names_the_settings() -> None:
    assert small().hash == small().hash == parse(SMALL + "# a comment\n", origin="elsewhere").hash
    assert len(small().hash) == 12


@pytest.mark.parametrize(
    "more",
    ["[judge]\ndrag = 0.4", "[exits]\nmax_hold = '23h'", "[panel.whale]\nweight = 1", "[limits]\nmax_risk = 0.03"],
)
def test_any_change_changes_the_hash(more: str) -> None:
    assert small(more).hash != small().hash


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_seat_that_is_switched_off_does_not_exist() -> None:
    house = small("[panel.whale]\nweight = 2\nenabled = false\n[panel.sentiment]\nweight = 2\ntiers = [1]")
    assert set(house.seats("BTC")) == {"flow", "technical", "sentiment"}
    assert set(house.seats("SOL")) == {"flow", "technical"}
    assert (house.tier("ETH"), house.tier("SOL")) == (1, 2)


def test_fractions_are_read_to_the_last_digit() -> None:
    assert small("[judge]\nmin_confidence = 0.1").judge.min_confidence == D("0.1")


def test_weights_are_whole_thousandths() -> None:
    assert small().panel["flow"].milli == 1500


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("span", "text"), [(timedelta(hours=1), "1h"), (timedelta(seconds=90), "90s"), (timedelta(2), "2d")]
)
def test_spans_are_said_in_the_largest_unit(span: timedelta, text: str) -> None:
    assert span_text(span) == text


def test_the_exits_of_a_position_name_their_phase() -> None:
    plan = a_playbook().exits.plan("mid")
    assert (plan.phase, plan.max_hold) == ("mid", timedelta(hours=24))


def test_a_missing_voice_is_hostile_unless_the_playbook_says_otherwise() -> None:
    assert small().judge.quorum is Quorum.WORST_CASE
    assert small('[judge]\nquorum = "renormalise"').judge.quorum is Quorum.RENORMALISE
    assert "judge.quorum" in fault('[judge]\nquorum = "most"')
