"""What a market looks like to sizing and exits at one bar: regime, volatility, and the evidence a thesis stands on."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.exit_plan import Entered, Regime
from trading.market.regime import regime_at, regimes
from trading.market.series import exact, from_ms
from trading.market.snapshot import Latest, Snapshot
from trading.risk_policies import RegimePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """As of one closed bar. None is what is not known."""

    at: datetime | None = None  # the bar's close
    regime: Regime | None = None
    volatility: Decimal | None = None  # Garman-Klass, fraction a year
    atr: Decimal | None = None  # price units
    rsi: float | None = None  # 0..100
    macd: float | None = None  # histogram, ATRs

    @property
    def evidence(self) -> Entered:
        return Entered(regime=self.regime, rsi=self.rsi, macd=self.macd)


NOTHING_KNOWN = Outlook()


class Outlooks:
    """Works a history through once, and reads rows of it."""

    def __init__(self, policy: RegimePolicy) -> None:
        self._regimes = Latest(lambda features: regimes(features, policy))

    def __call__(self, snapshot: Snapshot) -> Outlook:
        features, row = snapshot.features, snapshot.row
        series = features.series
        volatility, atr = _known(float(features.garman_klass[row])), _known(float(features.atr[row]))
        return Outlook(
            at=from_ms(series.opened[row]) + series.every,
            regime=regime_at(self._regimes(features), row),
            volatility=None if volatility is None else exact(volatility),
            atr=None if atr is None else exact(atr),
            rsi=_known(float(features.rsi[row])),
            macd=_known(float(features.macd_hist_atr[row])),
        )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
