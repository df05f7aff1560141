"""Which alert comes with which picture: a closed trade with its candles, a digest with what it stands in."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot.pictures import CandlesPicture, DaysPicture, EquityPicture, Picture
from bot.render.pictures import days_picture, equity_picture, trade_picture
from storage.tallies import Curve, Tally
from trading.errors import GavelError
from trading.events import Event, PeriodSummed, TradeClosed
from trading.market.series import Series
from trading.model import Symbol

log = logging.getLogger(__name__)

_BARS = 600  # asked for: a position that is held for a day has 288 of five minutes
_EQUITY = timedelta(days=30)  # shown with the digest of a day
_DAYS = timedelta(days=28)  # shown with the digest of a week


class Stories(Protocol):
    async def story(self, decision_id: str) -> Sequence[Event]: ...


class Figures(Protocol):
    async def totals(self, dimension: str, since: datetime | None = None) -> Sequence[Tally]: ...

    async def curve(self, since: datetime | None = None) -> Curve: ...


class Candles(Protocol):
    def candles(self, symbol: Symbol, bars: int) -> Series: ...


class Illustrator:
    """Calls are for the delivery: an event in, its picture out. `foot`: whose money, which market."""

    def __init__(self, stories: Stories, figures: Figures, candles: Candles, *, foot: str = "") -> None:
        self._stories = stories
        self._figures = figures
        self._candles = candles
        self._foot = foot

    async def __call__(self, event: Event) -> Picture | None:
        """None for an event without a picture, and where what it would show cannot be had."""
        try:
            made = await self._made(event)
        except (GavelError, LookupError) as error:
            log.info("no picture of %s: %s", type(event).__name__, error)
            return None
        return None if made is None else replace(made, foot=self._foot)

    async def _made(self, event: Event) -> EquityPicture | DaysPicture | CandlesPicture | None:
        match event:
            case TradeClosed(trade=trade):
                series = self._candles.candles(trade.symbol, _BARS)
                return trade_picture(trade, await self._stories.story(trade.id), series)
            case PeriodSummed(weekly=True):
                return await self._days(event) or await self._equity(event)
            case PeriodSummed():
                return await self._equity(event)
            case _:
                return None

    async def _days(self, event: PeriodSummed) -> DaysPicture | None:
        until = event.until.date().isoformat()
        tallies = await self._figures.totals("day", event.until - _DAYS)
        told = [tally for tally in tallies if tally.key < until]
        return days_picture(told, unit="day", title=f"Result by day, {_DAYS.days} days")

    async def _equity(self, event: PeriodSummed) -> EquityPicture | None:
        """As it stood then: a digest may be told late."""
        curve = await self._figures.curve(event.until - _EQUITY)
        points = tuple(point for point in curve.points if point.day < event.until.date())
        fall = curve.fall if curve.fall is not None and curve.fall.until < event.until else None
        told = Curve(points=points, fall=fall, start=curve.start)
        return equity_picture(
            told, start=curve.start, now=event.until, equity=event.equity, title=f"Equity, {_EQUITY.days} days"
        )
