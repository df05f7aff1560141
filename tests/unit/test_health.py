"""The strategy monitor: every limit at its exact border, worked out by hand; severities; what is undefined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from storage.codec import from_json, to_json
from tests.builders import BTC, NOW
from trading import health
from trading.health import (
    BORDERS,
    Finding,
    Health,
    Measured,
    Metric,
    Severity,
    due,
    examine,
    grade,
    limits,
    losses_in_a_row,
)
from trading.model import Direction, ExitReason, PositionId, Trade
from trading.risk_policies import HealthPolicy

D = Decimal
POLICY = HealthPolicy()
FINE, WARNING, CRITICAL = Finding
HOUR = timedelta(hours=1)


def a_trade(number: int, net: Decimal, *, every: timedelta = HOUR) -> Trade:
    """The number-th trade, closed `number` steps after NOW; fees and funding are part of its net."""
    closed = NOW + number * every
    return Trade(
        id=PositionId(f"btc-{number:08}"), symbol=BTC, direction=Direction.LONG, quantity=D(1), entry=D(1), exit=D(1),
        opened_at=closed - HOUR, closed_at=closed, gross=net + 3, fees=D(2), funding=D(-1), r=D(0),
        reason=ExitReason.MANUAL, note="", playbook="desk", leverage=1,
    )  # fmt: skip


def trades(nets: Sequence[str | int | Decimal], *, every: timedelta = HOUR) -> list[Trade]:
    return [a_trade(n, D(net), every=every) for n, net in enumerate(nets)]


def measured(nets: Sequence[str | int | Decimal], equity: str = "10000", *, every: timedelta = HOUR) -> dict:  # type: ignore[type-arg]
    result = examine(trades(nets, every=every), D(equity), POLICY)
    return {m.metric: m for m in result.findings}


# --- each metric at its borders -------------------------------------------------------------------------------------


def wins(count: int, of: int = 100) -> dict[Metric, Measured]:
    """Wins last, so that nothing else than the rate is at its border."""
    return measured([-1] * (of - count) + [3] * count)


def in_a_row(count: int) -> dict[Metric, Measured]:
    return measured([5] * 20 + [-1] * count)


def mean(cents: str) -> dict[Metric, Measured]:
    """Twenty trades with this mean, at an equity of 10,000."""
    return measured([D(cents) - 7, D(cents) + 7] * 10)


def fallen(by: str) -> dict[Metric, Measured]:
    """From 10,000 down by this, and up again a little."""
    return measured([0] * 19 + [f"-{by}", 1], str(10001 - D(by)))


# Deviations whose sample deviation over 20 trades is exactly 2: (2 x 36 + 4 x 1) / 19 = 4.
SPREAD = [6, -6, 1, -1, 1, -1, *[0] * 14]
FOUR_HUNDRED_A_YEAR = timedelta(days=365) * 19 / 400 / 19  # the gap that makes 400 trades of one year


def sharpe(mean_of: str) -> dict[Metric, Measured]:
    """mean / 2 x sqrt(400): ten times the mean."""
    return measured([D(mean_of) + x for x in SPREAD], every=FOUR_HUNDRED_A_YEAR)


@dataclass(frozen=True)
class Row:
    metric: Metric
    finding: Finding
    binds: Callable[[], dict[Metric, Measured]]
    spares: Callable[[], dict[Metric, Measured]]


TABLE = [
    Row(Metric.WIN_RATE, WARNING, lambda: wins(44), lambda: wins(45)),
    Row(Metric.WIN_RATE, CRITICAL, lambda: wins(34), lambda: wins(35)),
    Row(Metric.SHARPE, WARNING, lambda: sharpe("0.04999999"), lambda: sharpe("0.05")),
    Row(Metric.SHARPE, CRITICAL, lambda: sharpe("-0.00000001"), lambda: sharpe("0")),
    Row(Metric.LOSSES, WARNING, lambda: in_a_row(7), lambda: in_a_row(6)),
    Row(Metric.LOSSES, CRITICAL, lambda: in_a_row(10), lambda: in_a_row(9)),
    Row(Metric.EXPECTANCY, WARNING, lambda: mean("0"), lambda: mean("0.00000001")),
    Row(Metric.EXPECTANCY, CRITICAL, lambda: mean("-10.00000001"), lambda: mean("-10")),
    Row(Metric.DRAWDOWN, WARNING, lambda: fallen("800"), lambda: fallen("799.99999999")),
    Row(Metric.DRAWDOWN, CRITICAL, lambda: fallen("1500"), lambda: fallen("1499.99999999")),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r.metric.value}-{r.finding.name}")
def test_a_limit_binds_at_its_border_and_not_just_before(row: Row) -> None:
    assert row.binds()[row.metric].finding is row.finding
    assert row.spares()[row.metric].finding is Finding(row.finding - 1)


def test_every_limit_of_the_policy_has_a_row() -> None:
    assert {(row.metric, row.finding) for row in TABLE} == {(m, f) for m in Metric for f in (WARNING, CRITICAL)}
    assert set(limits(POLICY)) == set(BORDERS) == set(Metric)
    pairs = {name for name, field in HealthPolicy.model_fields.items() if isinstance(field.default, tuple)}
    for name in pairs:
        marked = POLICY.model_copy(update={name: (D(77), D(88))})
        assert (D(77), D(88)) in limits(marked).values(), f"{name} is not looked at"
    assert len(pairs) == len(Metric)


def test_the_values_are_those_worked_out_by_hand() -> None:
    assert sharpe("0.05")[Metric.SHARPE].value == D("0.5")
    assert sharpe("-1")[Metric.SHARPE].value == D(-10)
    assert wins(45)[Metric.WIN_RATE].value == D("0.45")
    assert mean("-10")[Metric.EXPECTANCY].value == D("-0.001")
    assert fallen("800")[Metric.DRAWDOWN].value == D("0.08")
    found = in_a_row(7)[Metric.LOSSES]
    assert (found.value, found.warn, found.critical) == (7, 7, 10)


def test_a_net_of_zero_is_no_win_and_ends_a_row_of_losses() -> None:
    assert losses_in_a_row([D(-1), D(0), D(-1), D(-1)]) == 2
    assert losses_in_a_row([D(-1), D(-1), D(0)]) == 0
    assert losses_in_a_row([D(-1)] * 3) == 3
    assert measured([0] * 20)[Metric.WIN_RATE].value == 0


# --- severities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("findings", "severity"),
    [
        ([FINE] * 5, Severity.NONE),
        ([WARNING, FINE], Severity.MINOR),
        ([WARNING] * 2, Severity.MODERATE),
        ([WARNING] * 5, Severity.MODERATE),
        ([CRITICAL], Severity.SEVERE),
        ([CRITICAL, *[WARNING] * 4], Severity.SEVERE),
        ([CRITICAL] * 2, Severity.CRITICAL),
        ([CRITICAL] * 5, Severity.CRITICAL),
        ([], Severity.NONE),
    ],
)
def test_the_findings_add_up_to_a_severity(findings: list[Finding], severity: Severity) -> None:
    assert grade(findings) is severity


@pytest.mark.parametrize(
    ("nets", "equity", "severity"),
    [
        ([-1] * 5 + [9] * 20, "10000", Severity.NONE),
        ([9] * 20 + [-1] * 7, "10000", Severity.MINOR),  # seven lost in a row
        ([90] * 20 + [-250] * 7, "9000", Severity.SEVERE),  # and a fall of 15 %
        ([9] * 20 + [-100] * 8, "100000", Severity.SEVERE),  # mean under zero: Sharpe critical, two warnings beside it
        ([-100] * 20, "8000", Severity.CRITICAL),
    ],
)
def test_whole_histories(nets: list[int], equity: str, severity: Severity) -> None:
    assert examine(trades(nets), D(equity), POLICY).severity is severity


def test_two_warnings_are_moderate() -> None:
    both = examine(trades([100] * 20 + [-150] * 7), D(10000), POLICY)
    assert {m.metric: m.finding for m in both.findings if m.finding} == {
        Metric.LOSSES: WARNING,
        Metric.DRAWDOWN: WARNING,
    }
    assert both.severity is Severity.MODERATE


# --- which trades ---------------------------------------------------------------------------------------------------


def test_the_monitor_speaks_from_twenty_trades_on() -> None:
    few = examine(trades([-500] * 19), D(1000), POLICY)
    assert (few.severity, few.findings, few.n) == (Severity.NONE, (), 19)
    assert examine(trades([-500] * 20), D(1000), POLICY).severity is Severity.CRITICAL
    assert examine([], D(1000), POLICY) == Health(
        severity=Severity.NONE, findings=(), n=0, last_trade="", close_positions=False
    )


def test_only_the_last_hundred_count_in_whatever_order_they_come() -> None:
    done = trades([-500] * 50 + [-1, 3] * 50)
    result = examine(done[::-1], D(10000), POLICY)
    assert result == examine(done[50:], D(10000), POLICY)
    assert (result.n, result.severity, result.last_trade) == (100, Severity.NONE, done[-1].id)
    assert examine(done[49:149], D(10000), POLICY).severity is not Severity.NONE


def test_a_short_memory_does_not_silence_the_monitor() -> None:
    short = POLICY.model_copy(update={"over": 10})
    assert examine(trades([-500] * 20), D(1000), short).n == 10
    assert examine(trades([-500] * 20), D(1000), short).severity is Severity.CRITICAL


def test_it_looks_every_fifth_round() -> None:
    assert [n for n in range(1, 16) if due(n, POLICY)] == [5, 10, 15]


# --- what has no number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("net", "value", "finding"), [(1, None, FINE), (0, 0, WARNING), (-1, None, CRITICAL)])
def test_a_sharpe_without_spread_is_judged_by_its_sign(net: int, value: int | None, finding: Finding) -> None:
    found = measured([net] * 20)[Metric.SHARPE]
    assert (found.value, found.finding) == (value, finding)


@pytest.mark.parametrize(("shift", "finding"), [(1, FINE), (0, WARNING), (-1, CRITICAL)])
def test_a_sharpe_without_time_is_judged_by_its_sign(shift: int, finding: Finding) -> None:
    found = measured([x + shift for x in SPREAD], every=timedelta(0))[Metric.SHARPE]
    assert found.finding is finding


def test_trades_a_year_are_the_gaps_between_the_first_and_the_last_close() -> None:
    """Four times as many a year is twice the Sharpe; when they were opened does not matter."""
    slow = sharpe("0.05")[Metric.SHARPE].value
    quick = measured([D("0.05") + x for x in SPREAD], every=FOUR_HUNDRED_A_YEAR / 4)[Metric.SHARPE].value
    assert (slow, quick) == (D("0.5"), D(1))
    assert timedelta(days=365) == health.YEAR


def test_equity_that_is_gone_is_critical() -> None:
    for equity in ("0", "-5"):
        found = measured([-100] * 20, equity)
        assert (found[Metric.EXPECTANCY].value, found[Metric.EXPECTANCY].finding) == (-1, CRITICAL)
        assert found[Metric.DRAWDOWN].finding is CRITICAL


def test_positions_are_closed_only_in_an_emergency_and_only_when_the_playbook_says_so() -> None:
    closing = POLICY.model_copy(update={"close_on_emergency": True})
    severe, critical = trades([90] * 20 + [-250] * 7), trades([-100] * 20)
    assert examine(critical, D(8000), closing).close_positions
    assert not examine(critical, D(8000), POLICY).close_positions
    assert examine(severe, D(9000), closing).severity is Severity.SEVERE
    assert not examine(severe, D(9000), closing).close_positions


def test_a_look_is_read_as_it_was_written() -> None:
    for nets in ([-100] * 20, [1] * 20, [3]):
        result = examine(trades(nets), D(8000), POLICY)
        assert from_json(Health, to_json(result)) == result
