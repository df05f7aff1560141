"""Small things to make pictures of."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from storage.tallies import Tally
from tests.builders import BTC, NOW, a_fill, a_position, a_protection, an_order
from trading import events as m
from trading.exit_plan import StopKind
from trading.market.series import Series, to_ms
from trading.model import ClientId, Leg, Position, Side

D = Decimal
HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)


def a_series(bars: int, *, end: datetime = NOW, every: timedelta = FIVE) -> Series:
    """Closing at 1, 2, 3, ... with the last bar closed at `end`."""
    close = np.arange(1.0, bars + 1)
    opened = to_ms(end) - np.arange(bars, 0, -1, dtype=np.int64) * (every // timedelta(milliseconds=1))
    return Series(
        symbol=BTC, every=every, opened=opened, open=close, high=close, low=close, close=close, volume=np.ones(bars)
    )


def a_tally(key: str, net: str) -> Tally:
    zero, result = D(0), D(net)
    return Tally(
        key=key, trades=1, wins=int(result > 0), gross=result, fees=zero, funding=zero,
        won=max(result, zero), lost=min(result, zero), r=zero,
    )  # fmt: skip


def at_stop(position: Position, stop: str) -> Position:
    return replace(position, protection=replace(position.protection, stop=D(stop)))


def a_story(*, exit_leg: Leg = Leg.CLOSE) -> list[m.Event]:
    """Opened at NOW, the stop moved twice, a quarter taken out after two hours in two fills, left after four."""
    position = a_position(protection=a_protection("58500", "63000"))
    part = an_order(leg=Leg.PARTIAL, client_id=ClientId("p1"))
    left = an_order(leg=exit_leg, client_id=ClientId("x1"))
    moved = at_stop(position, "60030"), at_stop(position, "60500")
    return [
        m.OrderFilled(at=NOW, order=an_order(), fill=a_fill()),
        m.PositionOpened(at=NOW, position=position),
        m.StopMoved(at=NOW + HOUR, position=moved[0], before=D(58500), kind=StopKind.BREAK_EVEN, note=""),
        m.OrderFilled(at=NOW + 2 * HOUR, order=part, fill=a_fill(Side.SELL, "0.01", "61000", at=NOW + 2 * HOUR)),
        m.OrderFilled(at=NOW + 2 * HOUR, order=part, fill=a_fill(Side.SELL, "0.015", "61010", at=NOW + 2 * HOUR)),
        m.StopMoved(at=NOW + 3 * HOUR, position=moved[1], before=D(60030), kind=StopKind.TRAILING, note=""),
        m.OrderFilled(at=NOW + 4 * HOUR, order=left, fill=a_fill(Side.SELL, "0.075", "60480", at=NOW + 4 * HOUR)),
    ]
