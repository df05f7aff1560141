"""What a paper account on a real market has missed while no process ran: its stops stood at the venue."""

from datetime import datetime
from decimal import Decimal

from bot.markets import Market
from trading.model import Candle, Quote, Symbol
from trading.venues.exchange.live_feed import LiveFeed
from trading.venues.paper import PaperVenue

Settled = tuple[datetime, Symbol, Decimal]


async def live_through(market: Market, paper: PaperVenue, since: datetime | None) -> None:
    """Live through it minute by minute, with the funding that was settled, everything in its order. `since`: up to when
    the account has lived already; None: it has not begun. Raises what reading the market raises."""
    feed = market.feed
    if not isinstance(feed, LiveFeed) or since is None:
        return
    concerned = {h.symbol for h in await paper.positions()} | {r.order.symbol for r in await paper.open_orders()}
    bars: list[Candle] = []
    settled: list[Settled] = []
    for symbol in sorted(concerned & feed.listings.keys()):
        bars += await feed.lived(symbol, since)
        settled += [(at, symbol, rate) for at, rate in await feed.settled(symbol, since)]
    settled.sort()
    for bar in sorted(bars, key=lambda b: b.closed_at):
        while settled and settled[0][0] <= bar.closed_at:
            _pay(paper, settled.pop(0), bars)
        paper.advance(bar, _around(bar))


def _pay(paper: PaperVenue, settled: Settled, bars: list[Candle]) -> None:
    """At the price at which the minute closed that ended then."""
    at, symbol, rate = settled
    price = next((b.close for b in bars if b.symbol == symbol and b.closed_at >= at), None)
    if price is not None:
        paper.settle_funding(symbol, at, rate, price)


def _around(bar: Candle) -> Quote:
    """The touch is not known any more: the price alone."""
    return Quote(symbol=bar.symbol, at=bar.closed_at, bid=bar.close, ask=bar.close, mark=bar.close)
