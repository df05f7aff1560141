"""Trading rules for an instrument that exists only as candles: the paper venue's own, worked out from the prices."""

from decimal import Decimal

import numpy as np

from trading.market.series import Floats, Series, exact
from trading.model import Instrument

FINEST = 12  # decimals; more than that is float noise and no price list


def listing(
    series: Series,
    *,
    min_notional: Decimal = Decimal(5),
    max_leverage: int = 50,
    maker_fee: Decimal = Decimal("0.0002"),
    taker_fee: Decimal = Decimal("0.0005"),
    maintenance: Decimal = Decimal("0.01"),
) -> Instrument:
    """tick: the finest price step in the series. step: the power of ten of base units worth at most 1 quote unit at the
    first close, so 1 for DOGE at 0.15 and 0.00001 for BTC at 60,000. Raises ValueError for a series without bars.
    """
    if not len(series):
        raise ValueError(f"{series.symbol}: no bars to work out its rules from")
    step = Decimal(10) ** (1 / exact(series.close[0])).adjusted()
    decimals = max(_decimals(column) for column in (series.open, series.high, series.low, series.close))
    return Instrument(
        symbol=series.symbol,
        tick=Decimal(10) ** -decimals,
        step=step,
        min_quantity=step,
        max_quantity=step * 10**12,
        min_notional=min_notional,
        max_leverage=max_leverage,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        maintenance=maintenance,
    )


def _decimals(prices: Floats) -> int:
    """The fewest decimals that write every price exactly."""
    for decimals in range(FINEST):
        if np.array_equal(np.round(prices, decimals), prices):
            return decimals
    return FINEST
