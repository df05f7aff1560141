"""What a market has done while nobody looked: a paper account with something open there has to live through it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from trading.market.series import from_ms
from trading.model import Candle, Symbol
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Candles

MINUTE = timedelta(minutes=1)
PAGE = 1_000  # minutes of one request


async def lived(profile: Profile, symbol: Symbol, since: datetime, until: datetime) -> list[Candle]:
    """Minute bars from then to now, the running minute as far as it has come. Of the minute in which `since` lies only
    the close is certain to have been after it."""
    start = since.replace(second=0, microsecond=0)
    found: list[Candle] = []
    while start < until:
        page = [
            c
            for c in _bars(symbol, await profile.candles(symbol, MINUTE, start=start, limit=PAGE))
            if c.opened_at >= start
        ]
        found += page
        if not page:
            break
        start = page[-1].closed_at
    return [_since(_until(bar, until), since) for bar in found if since < bar.closed_at and bar.opened_at < until]


def _bars(symbol: Symbol, candles: Candles) -> Iterator[Candle]:
    for at, (first, high, low, last, volume) in zip(candles.opened, candles.rows, strict=True):
        yield Candle(
            symbol=symbol,
            opened_at=from_ms(at),
            every=MINUTE,
            open=first,
            high=high,
            low=low,
            close=last,
            volume=volume,
        )


def _until(bar: Candle, until: datetime) -> Candle:
    return bar if bar.closed_at <= until else replace(bar, every=until - bar.opened_at)


def _since(bar: Candle, since: datetime) -> Candle:
    return bar if bar.opened_at >= since else replace(bar, open=bar.close, high=bar.close, low=bar.close)
