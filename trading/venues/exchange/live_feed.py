"""A real market as the desk sees it: quotes as they come, bars as they close, funding as it is settled.

Streams bring quotes and trades; where they are silent the quotes are read over REST, which is said once. A quote that
is older than STALE is no evidence. Steps come when a quote has changed, no closer than CALM to each other unless the
instrument is one that somebody holds, and at least once a second.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.errors import NoEvidence, OrderRejected, Transient
from trading.market.moments import Chapter, Step
from trading.market.series import to_ms
from trading.model import Candle, Instrument, OrderBook, Quote, Symbol
from trading.ports import Clock
from trading.venues.exchange.bars import Bars, each
from trading.venues.exchange.marks import Marks
from trading.venues.exchange.past import lived
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import FundingNow, Listing

log = logging.getLogger(__name__)

STALE = timedelta(seconds=15)
POLL_AFTER = timedelta(seconds=5)  # of a stream that is silent about an instrument its quote is read over REST
POLL_EVERY = 2.0  # seconds
HEARD_FOR = timedelta(seconds=15)  # that streams have to bring all quotes again before that is believed
CALM = 0.05  # seconds between two steps that nobody waits for
TICK = 1.0  # seconds: time passes without a quote too
BARS_AFTER = timedelta(seconds=0.25)  # an exchange, too, takes a moment to close a bar
BARS_EVERY = 0.5  # seconds
BARS_WITHIN = timedelta(seconds=20)  # how long a decision waits for the bars of its close
BARS_LATE = timedelta(seconds=5)  # between two attempts at bars for which nothing waits any more
FUNDING_EVERY = 20.0  # seconds
LISTED_FOR = timedelta(hours=6)
BOOK_DEPTH = 15
BOOK_FOR = timedelta(seconds=60)


class LiveFeed:
    """Open it with `open`; `run` reads beside whoever takes the steps; `hear` is the tap of the market's connection."""

    def __init__(self, profile: Profile, *, bases: Sequence[str], quote: str, every: timedelta, clock: Clock) -> None:
        self.source = f"{profile.title}, live prices"
        self.listings: dict[Symbol, Listing] = {}
        self.lacking: dict[Symbol, str] = {}  # tradable, and without data: not traded
        self.polling_since: datetime | None = None
        self.unread: dict[str, str] = {}  # what cannot be read over REST, and why
        self.bars = Bars(profile, every, clock)
        self.held: Callable[[Symbol], bool] = lambda _: False  # whether a quote must not wait
        self.followers: list[Callable[[], None]] = []  # who has to know when other instruments are listed
        self._profile = profile
        self._bases, self._quote_asset = tuple(bases), quote
        self._clock = clock
        self._quotes: dict[Symbol, Quote] = {}
        self._heard: dict[Symbol, datetime] = {}  # when a stream told of it last
        self._began = self._silent_at = self._listed_at = self._bars_until = self._bars_read_at = clock.now()
        self._marks: dict[Symbol, Marks] = {}
        self._funding: dict[Symbol, FundingNow] = {}
        self._books: dict[Symbol, OrderBook] = {}
        self._changed: set[Symbol] = set()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    # --- opening ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Raises Transient where the market cannot be read, OrderRejected where it is refused."""
        self.listings = await self._profile.listings(self._bases, self._quote_asset)
        self._listed_at = self._clock.now()
        await self._load()
        boundary = self.bars.closed_until(self._clock.now())
        self._bars_until = boundary if self._there(boundary) else boundary - self.bars.every
        await asyncio.gather(self._poll(self._traded), self._read_funding(), self._read_books())

    async def _load(self) -> None:
        """The history of whatever is tradable and has none yet."""
        new = [s for s, listing in self.listings.items() if listing.tradable and s not in self.bars.symbols]
        self.lacking = await self.bars.load(new)

    @property
    def _traded(self) -> list[Symbol]:
        """What is followed: besides, what somebody holds that can be traded no more."""
        return [
            symbol
            for symbol, listing in self.listings.items()
            if symbol in self.bars.symbols and (listing.tradable or self.held(symbol))
        ]

    # --- answering ----------------------------------------------------------------------------------------------

    @property
    def chapter(self) -> Chapter | None:
        return self.bars.chapter

    @property
    def at_ms(self) -> int:
        return to_ms(self._clock.now())

    @property
    def untraded(self) -> dict[str, str]:
        """What was asked for and cannot be traded here, by base, and why."""
        listed = {listing.instrument.base: listing for listing in self.listings.values()}
        why = {base: "it is not listed there" for base in self._bases if base not in listed}
        why |= {base: listing.why for base, listing in listed.items() if not listing.tradable}
        return why | {self.listings[symbol].instrument.base: reason for symbol, reason in self.lacking.items()}

    def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: self.listings[symbol].instrument for symbol in self._traded}

    def quote(self, symbol: Symbol) -> Quote:
        """Raises NoEvidence when it is older than STALE."""
        quote = self._quotes.get(symbol)
        if quote is None:
            raise NoEvidence(f"{symbol}: no quote yet")
        age = self._clock.now() - quote.at
        if age > STALE:
            raise NoEvidence(f"{symbol}: the last quote is {age.total_seconds():.0f} s old")
        return quote

    def mark(self, symbol: Symbol) -> Decimal:
        if symbol not in self._quotes:
            raise NoEvidence(f"{symbol}: no quote yet")
        return self._quotes[symbol].mark

    def touch(self, symbol: Symbol, price: Decimal, at: datetime) -> Quote:
        """The touch as it is: a paper order meets what a real one would."""
        quote = self._quotes.get(symbol)
        return Quote(symbol=symbol, at=at, bid=price, ask=price, mark=price) if quote is None else quote

    def book(self, symbol: Symbol) -> OrderBook | None:
        book = self._books.get(symbol)
        return book if book is not None and self._clock.now() - book.at <= BOOK_FOR else None

    def rate(self, symbol: Symbol) -> Decimal | None:
        now = self._funding.get(symbol)
        return None if now is None else now.rate

    def stand(self, at: datetime) -> None:
        """A real market stands nowhere but now."""

    # --- hearing ------------------------------------------------------------------------------------------------

    def hear(self, message: Any) -> None:
        """The tap of the market's connection."""
        for news in self._profile.public_news(message):
            if isinstance(news, Quote):
                self._heard[news.symbol] = self._clock.now()
                self._take(news)
            else:
                self.bars.trade(news)
                self._marks_of(news.symbol).trade(news)

    def back(self) -> None:
        """The streams stand, for the first time or after a gap."""
        self.bars.listen_anew()

    def _take(self, quote: Quote) -> None:
        symbol = quote.symbol
        old = self._quotes.get(symbol)
        if symbol not in self.listings or (old is not None and quote.at < old.at):
            return  # an older one has come later
        self._quotes[symbol] = quote
        self._marks_of(symbol).see(quote.mark)
        self._changed.add(symbol)
        self._wake.set()
        if self.held(symbol):
            self._urgent.set()

    def _marks_of(self, symbol: Symbol) -> Marks:
        return self._marks.setdefault(symbol, Marks(symbol))

    # --- stepping -----------------------------------------------------------------------------------------------

    async def steps(self, since: datetime | None = None) -> AsyncIterator[Step]:  # noqa: ARG002
        """Moments without end, each as late as it is taken."""
        while True:
            await self._next()
            yield self._step()

    def hurry(self) -> None:
        """The next step comes at once."""
        self._urgent.set()
        self._wake.set()

    async def _next(self) -> None:
        try:
            async with asyncio.timeout(TICK):
                await self._wake.wait()
        except TimeoutError:
            return
        if not self._urgent.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CALM):
                    await self._urgent.wait()

    def _step(self) -> Step:
        now = self._clock.now()
        changed, self._changed = self._changed, set()
        self._wake.clear()
        self._urgent.clear()
        boundary = self.bars.closed_until(now)
        waits = boundary > self._bars_until and now - boundary < BARS_WITHIN
        history = self.bars.chapter.history if self.bars.chapter else {}
        return Step(
            at=now,
            candles=tuple(self._marks[symbol].bar(now, history.get(symbol)) for symbol in sorted(changed)),
            funding=tuple(self._settlements(now)),
            gaps=(),
            ended=(),
            due=boundary - timedelta(microseconds=1) if waits else now,
        )

    def _settlements(self, now: datetime) -> list[tuple[Symbol, datetime, Decimal]]:
        """Those whose time has come, at the rate that was read last before it."""
        due = [f for f in self._funding.items() if f[1].next_at <= now and f[0] in self._quotes]
        for symbol, funding in due:
            self.bars.settled(symbol, funding.next_at, float(funding.rate))
            self._funding[symbol] = replace(funding, next_at=funding.next_at + funding.every)
        return [(symbol, funding.next_at, funding.rate) for symbol, funding in due]

    # --- reading beside -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        self._began = self._clock.now()
        await asyncio.gather(
            self._again(POLL_EVERY, self._keep_quotes),
            self._again(BARS_EVERY, self._keep_bars),
            self._again(FUNDING_EVERY, self._read_funding),
            self._again(60, self._keep_listings),
        )

    async def _again(self, every: float, read: Callable[[], Awaitable[None]]) -> None:
        """What nobody has foreseen is said once, and is no reason to stop reading."""
        said: set[str] = set()
        while True:
            await asyncio.sleep(every)
            try:
                await read()
            except Exception as error:
                if repr(error) not in said:
                    said.add(repr(error))
                    log.exception("an inner error while the market was read")

    async def _keep_quotes(self) -> None:
        now = self._clock.now()
        silent = [s for s in self._traded if now - self._heard.get(s, self._began) > POLL_AFTER]
        if silent:
            self._silent_at = now
            if self.polling_since is None:
                self.polling_since = now
                log.warning("the stream is silent about %s: quotes are read over REST", _bases(silent))
        elif self.polling_since is not None and now - self._silent_at > HEARD_FOR:
            self.polling_since = None
            log.info("quotes come on the stream again")
        await self._poll(silent)

    async def _poll(self, symbols: Collection[Symbol]) -> None:
        async def one(symbol: Symbol) -> None:
            self._take(await self._profile.quote(symbol))

        self._say("quotes", await each(symbols, one), tried=bool(symbols))

    async def _keep_bars(self) -> None:
        """Soon after each close, read the bar; again until it is there, but for so long only do decisions wait. The
        books with them, and both again after anything could not be read."""
        now = self._clock.now()
        boundary = self.bars.closed_until(now)
        decided, late = boundary <= self._bars_until, now - boundary >= BARS_WITHIN
        if now - boundary < BARS_AFTER + self.bars.ahead or (decided and self._there(boundary) and not self.unread):
            return
        if decided and now - self._bars_read_at < BARS_LATE:
            return
        self._bars_read_at = now
        self._say("bars", await self.bars.refresh(boundary))
        if late or self._there(boundary):
            await self._read_books()
            self._bars_until = boundary

    def _there(self, boundary: datetime) -> bool:
        return all(self.bars.reaches(symbol, boundary) for symbol in self._traded)

    async def _read_books(self) -> None:
        async def one(symbol: Symbol) -> None:
            self._books[symbol] = await self._profile.book(symbol, BOOK_DEPTH)

        self._say("order books", await each(self._traded, one))

    async def _read_funding(self) -> None:
        async def one(symbol: Symbol) -> None:
            self._funding[symbol] = await self._profile.funding_now(symbol)

        self._say("funding rates", await each(self._traded, one))

    def _say(self, what: str, failed: Mapping[Symbol, str], *, tried: bool = True) -> None:
        self._note(what, f"of {_bases(failed)}: {next(iter(failed.values()))}" if failed else "", tried=tried)

    def _note(self, what: str, why: str, *, tried: bool = True) -> None:
        """That the exchange cannot be read, and that it can be again: once each, whatever is being read."""
        before = bool(self.unread)
        if why:
            self.unread[what] = why
        elif tried:
            self.unread.pop(what, None)
        if self.unread and not before:
            log.warning("the exchange cannot be read: %s %s", what, why)
        elif before and not self.unread:
            log.info("the exchange can be read again")

    # --- listings -----------------------------------------------------------------------------------------------

    async def _keep_listings(self) -> None:
        """Steps, minimums and fees change: read again every 6 h. What could not be read stays as it was."""
        if self._clock.now() - self._listed_at >= LISTED_FOR:
            await self.relist()

    async def relist(self) -> None:
        try:
            found = await self._profile.listings(self._bases, self._quote_asset)
        except (Transient, OrderRejected) as error:
            self._note("listings", str(error))
            return
        self._note("listings", "")
        before = self.untraded
        gone = {
            symbol: replace(old, tradable=False, why="it is listed no more")
            for symbol, old in self.listings.items()
            if symbol not in found
        }
        self.listings, self._listed_at = found | gone, self._clock.now()
        await self._load()
        for base, why in self.untraded.items():
            if base not in before:
                log.warning("%s is not traded any more: %s", base, why)
        for follow in self.followers:
            follow()

    # --- what a paper account has missed ------------------------------------------------------------------------

    async def settled(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        """Funding rates that were settled since then, oldest first."""
        return await self._profile.funding_rates(symbol, since)

    async def lived(self, symbol: Symbol, since: datetime) -> list[Candle]:
        """Minute bars from then to now."""
        return await lived(self._profile, symbol, since, self._clock.now())


def _bases(symbols: Collection[Symbol]) -> str:
    return ", ".join(sorted(symbol.partition("/")[0] for symbol in symbols))
