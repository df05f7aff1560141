"""How alike assets move: correlations of hourly returns, measured where there is enough history, else from a table.

An asset's price at an hour is the close of the bar that closed exactly then, so any bar length that divides an hour
will do and no bar that is still open, or that lies after the moment asked about, can take part. A return exists where
both its hours do: gaps are left out, never bridged. Each pair is measured over the returns both assets have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from trading.market.series import MS, Floats, Ints, Series, to_ms
from trading.model import EPOCH
from trading.risk_policies import PortfolioLimits

HOUR = timedelta(hours=1)
ENOUGH = 168  # returns, a week of hours: the standard error of a rho of 0.7 is then 0.04
_FLAT = 1e-12  # variance under this part of the mean square is rounding: the asset did not move


@dataclass(frozen=True, slots=True, kw_only=True)
class Rho:
    """The correlation of one pair."""

    value: Decimal  # -1..1; a measured one is rounded to six places
    measured: bool  # False: from the playbook's table
    returns: int  # common hourly returns it could have been measured on


_SELF = Rho(value=Decimal(1), measured=True, returns=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlations:
    policy: PortfolioLimits
    as_of: datetime | None = None  # the full hour up to which returns were read; None: nothing was
    pairs: Mapping[tuple[str, str], Rho] = field(default_factory=dict)  # both orders of each pair that was looked at

    def rho(self, a: str, b: str) -> Rho:
        """Of two assets by base, "BTC", "ETH"; in either order the same."""
        if a == b:
            return _SELF
        seen = self.pairs.get((a, b))
        return seen if seen is not None else Rho(value=_static(self.policy, a, b), measured=False, returns=0)


def measure(
    series: Mapping[str, Series], *, until: datetime, policy: PortfolioLimits, enough: int = ENOUGH
) -> Correlations:
    """From histories by base. Only bars closed at or before `until` are read, so a row of the future changes nothing;
    between two full hours the result is the same.
    """
    bases = sorted(series)
    end = until - (until - EPOCH) % HOUR
    hours = policy.measured_over // HOUR
    grid = to_ms(end) + np.arange(-hours, 1) * (HOUR // MS)
    closes = np.array([_closes(series[b], grid) for b in bases]).reshape(len(bases), len(grid))
    rho, common = _pairwise(np.diff(np.log(closes), axis=1))
    pairs: dict[tuple[str, str], Rho] = {}
    for i, a in enumerate(bases):
        for j, b in enumerate(bases[:i]):
            pairs[a, b] = pairs[b, a] = _pair(policy, a, b, value=rho[i, j], returns=int(common[i, j]), enough=enough)
    return Correlations(policy=policy, as_of=end, pairs=pairs)


def _static(policy: PortfolioLimits, a: str, b: str) -> Decimal:
    return policy.static.get(f"{a}-{b}", policy.static.get(f"{b}-{a}", policy.otherwise))


def _pair(policy: PortfolioLimits, a: str, b: str, *, value: float, returns: int, enough: int) -> Rho:
    measured = returns >= enough and bool(np.isfinite(value))
    exact = Decimal(f"{value:.6f}") if measured else _static(policy, a, b)
    return Rho(value=exact, measured=measured, returns=returns)


def _closes(series: Series, grid: Ints) -> Floats:
    """The close at each moment of the grid; NaN where no bar closed exactly then. Looks up, never scans."""
    opened = grid - series.every // MS
    rows = np.searchsorted(series.opened, opened)
    found = np.full(len(grid), np.nan)
    there = rows < len(series)
    there[there] = series.opened[rows[there]] == opened[there]
    prices = series.close[rows[there]]
    found[there] = np.where(prices > 0, prices, np.nan)
    return found


def _pairwise(returns: Floats) -> tuple[Floats, Floats]:
    """Pearson's r of each two rows over the columns both have, and how many those are. NaN where a row did not move.

    Rows are centred first: sums of squares of what is left lose no digits to a drift.
    """
    have = np.isfinite(returns)
    mask = have.astype(np.float64)
    counts = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    raw = np.where(have, returns, 0.0)
    centred = np.where(have, raw - raw.sum(axis=1, keepdims=True) / counts, 0.0)
    common = mask @ mask.T
    n = np.maximum(common, 1)
    total = centred @ mask.T  # of row i over the columns it has in common with row j
    squares = (centred**2) @ mask.T - total**2 / n
    products = centred @ centred.T - total * total.T / n
    moved = squares > _FLAT * ((raw**2) @ mask.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.where(moved & moved.T, products / np.sqrt(squares * squares.T), np.nan)
    return np.clip(rho, -1, 1), common
