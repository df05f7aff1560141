"""The strategy monitor: what the last closed trades say about the strategy itself. Pure.

It looks at the last `over` trades (by the time they closed), from `enough` on; with fewer it says nothing. What its
severities do to the desk is the circuit breaker's business: minor alerts, moderate throttles, severe halts entries,
critical shuts down.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum

from trading.model import Trade
from trading.performance import summarise
from trading.risk_policies import HealthPolicy

YEAR = timedelta(days=365)  # this market has no holidays

Compare = Callable[[Decimal, Decimal], bool]


class Severity(IntEnum):
    NONE = 0
    MINOR = 1  # one warning
    MODERATE = 2  # two or more
    SEVERE = 3  # one critical
    CRITICAL = 4  # two or more critical


class Finding(IntEnum):
    FINE = 0
    WARNING = 1
    CRITICAL = 2


class Metric(StrEnum):
    WIN_RATE = "win rate"  # net above zero, of all
    SHARPE = "sharpe"  # per trade, annualised
    LOSSES = "losses in a row"  # up to the last trade; a net of zero ends the row
    EXPECTANCY = "expectancy"  # mean net of a trade, a fraction of equity
    DRAWDOWN = "drawdown"  # the deepest within these trades, a fraction of its peak


# When a value warns and when it is critical, against the policy's pair of limits.
BORDERS: dict[Metric, tuple[Compare, Compare]] = {
    Metric.WIN_RATE: (operator.lt, operator.lt),
    Metric.SHARPE: (operator.lt, operator.lt),
    Metric.LOSSES: (operator.ge, operator.ge),
    Metric.EXPECTANCY: (operator.le, operator.lt),
    Metric.DRAWDOWN: (operator.ge, operator.ge),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    metric: Metric
    value: Decimal | None  # None: it has no number (a Sharpe without spread or without time), see `finding`
    warn: Decimal
    critical: Decimal
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    severity: Severity
    findings: tuple[Measured, ...]  # every metric, fine ones too; empty while there are too few trades
    n: int  # trades looked at
    last_trade: str  # id of the newest of them, "" without any: tells new evidence from the same once more
    close_positions: bool  # an emergency, and the playbook wants the positions closed


def due(rounds: int, policy: HealthPolicy) -> bool:
    """Whether the monitor looks after this many rounds of decisions, counted from 1."""
    return rounds % policy.every == 0


def examine(trades: Sequence[Trade], equity: Decimal, policy: HealthPolicy) -> Health:
    """The trades may come in any order. `equity`: what there is after the last of them, quote units."""
    last = sorted(trades, key=lambda t: (t.closed_at, t.id))[-policy.over :]
    findings = _findings(last, equity, policy) if len(trades) >= policy.enough else ()
    severity = grade([m.finding for m in findings])
    return Health(
        severity=severity,
        findings=findings,
        n=len(last),
        last_trade=last[-1].id if last else "",
        close_positions=severity is Severity.CRITICAL and policy.close_on_emergency,
    )


def grade(findings: Sequence[Finding]) -> Severity:
    critical, warnings = findings.count(Finding.CRITICAL), findings.count(Finding.WARNING)
    if critical:
        return Severity.CRITICAL if critical > 1 else Severity.SEVERE
    return (Severity.NONE, Severity.MINOR, Severity.MODERATE)[min(warnings, 2)]


def limits(policy: HealthPolicy) -> dict[Metric, tuple[Decimal, Decimal]]:
    """(warn, critical) of each metric."""
    return {
        Metric.WIN_RATE: policy.win_rate,
        Metric.SHARPE: policy.sharpe,
        Metric.LOSSES: (Decimal(policy.losses[0]), Decimal(policy.losses[1])),
        Metric.EXPECTANCY: policy.expectancy,
        Metric.DRAWDOWN: policy.drawdown,
    }


def _findings(trades: Sequence[Trade], equity: Decimal, policy: HealthPolicy) -> tuple[Measured, ...]:
    values, borders = _values(trades, equity), limits(policy)
    return tuple(_measured(metric, values[metric], *borders[metric]) for metric in Metric)


def _measured(metric: Metric, value: Decimal, warn: Decimal, critical: Decimal) -> Measured:
    warns, alarms = BORDERS[metric]
    finding = Finding.CRITICAL if alarms(value, critical) else Finding.WARNING if warns(value, warn) else Finding.FINE
    shown = value if value.is_finite() else None
    return Measured(metric=metric, value=shown, warn=warn, critical=critical, finding=finding)


def _values(trades: Sequence[Trade], equity: Decimal) -> dict[Metric, Decimal]:
    nets = [t.net for t in trades]
    result = summarise(trades, equity - sum(nets))
    mean = sum(nets) / Decimal(len(nets))
    return {
        Metric.WIN_RATE: Decimal(result.wins) / result.trades,
        Metric.SHARPE: _sharpe(nets, trades[-1].closed_at - trades[0].closed_at),
        Metric.LOSSES: Decimal(losses_in_a_row(nets)),
        Metric.EXPECTANCY: mean / equity if equity > 0 else Decimal(-1),  # of nothing, everything is lost
        Metric.DRAWDOWN: result.drawdown.fraction if result.drawdown else Decimal(0),
    }


def losses_in_a_row(nets: Sequence[Decimal]) -> int:
    """How many of the newest, at the end, are below zero."""
    return next((n for n, net in enumerate(reversed(nets)) if net >= 0), len(nets))


def _sharpe(nets: Sequence[Decimal], span: timedelta) -> Decimal:
    """Mean / sample deviation x sqrt(trades a year); after Sharpe (1994), the reference being zero.

    n trades have n - 1 gaps between the first close and the last, so there are (n - 1) x year / span trades a year.
    Where all nets or all times are the same there is no such number: it is infinite, with the mean's sign.
    """
    gaps = len(nets) - 1
    mean = sum(nets) / Decimal(len(nets))
    squares = sum(((net - mean) ** 2 for net in nets), Decimal(0))
    if mean == 0:
        return Decimal(0)
    if squares == 0 or span <= timedelta(0):
        return Decimal("Infinity").copy_sign(mean)
    a_year = gaps * (Decimal(YEAR // _MICROSECOND) / (span // _MICROSECOND))
    return mean / (squares / gaps).sqrt() * a_year.sqrt()


_MICROSECOND = timedelta(microseconds=1)
