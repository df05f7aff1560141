"""What the self-check asks of an exchange: its clock, its instruments, the key, and what stands on the account.

It goes in three steps, because one cause is one line: an exchange that is not reached, or a key that is refused, is not
told once more by everything that would have needed it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from bot.doctor_account import Account, Books, account_findings
from bot.doctor_looks import Found, bounded, error, fine, warning
from trading.errors import GavelError, OrderRejected, Transient
from trading.model import Symbol, base_of
from trading.playbook import Playbook
from trading.ports import Clock
from trading.venues.exchange.client import Client
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Finding, Grade, Listing

NEAR = timedelta(seconds=0.3)
ASKED = 4  # times: the first opens the connection, and the one that took least is the best
EARLY = {"bybit": timedelta(seconds=1)}  # it takes nothing that is further ahead than that
KEY = frozenset({Code.AUTH, Code.PERMISSION, Code.IP})
KEY_MEND = {
    Code.AUTH: "check key, secret and passphrase, and that they are of this account; a new key takes some minutes",
    Code.PERMISSION: "allow the key to read and to trade futures, and nothing else",
    Code.IP: "put this machine's address on the key's list",
}


class Market(Protocol):
    """Where instruments come from: the feed of a desk that runs, or the exchange itself."""

    async def listings(self) -> Mapping[Symbol, Listing]: ...

    async def lacking(self) -> Mapping[Symbol, str]:
        """Listed, and without data; why."""
        ...


@dataclass(slots=True, kw_only=True)
class Checkup:
    """`books`: what the desk itself holds; None: there is no desk yet. `trade` None: the market alone."""

    profile: Profile
    data: Client
    trade: Client | None
    market: Market
    playbook: Callable[[], Playbook]
    books: Callable[[], Awaitable[Books | None]]
    clock: Clock

    async def look(self) -> Found:
        found = await bounded("exchange", self._reached)
        if any(finding.grade is Grade.ERROR and finding.name == "exchange" for finding in found):
            return found
        if self.trade is None:
            return found + await bounded("instruments", self._instruments)
        found += await bounded("balance", self._balance)
        if any(finding.name == "key" for finding in found):
            return found  # some exchanges tell limits and fees of an instrument to a key alone
        found += await bounded("instruments", self._instruments)
        key, account = await asyncio.gather(
            bounded("permissions of the key", self.profile.examine_key), bounded("account", self._account)
        )
        told = {finding.name for finding in account}  # these know what stands in the way
        return (*found, *(finding for finding in key if finding.name not in told), *account)

    # --- the exchange -------------------------------------------------------------------------------------------

    async def _reached(self) -> Found:
        client = self.trade or self.data
        try:
            asked = [await self._time(client) for _ in range(ASKED)]
        except (Transient, OrderRejected) as failed:
            mend = "check the network, and whether the exchange can be used from here; nothing else of it was looked at"
            return (error("exchange", f"{self.profile.title} is not reached: {failed}", mend),)
        _, ahead = min(asked)
        return fine("exchange", f"{self.profile.title} answers"), clock_finding(self.profile, ahead)

    async def _time(self, client: Client) -> tuple[timedelta, timedelta]:
        """How long the answer took, and how far our clock is ahead: it was read half of that time ago."""
        sent = self.clock.now()
        ahead = await client.resync()
        took = self.clock.now() - sent
        return took, ahead - took / 2

    async def _instruments(self) -> Found:
        playbook, listings = self.playbook(), await self.market.listings()
        lacking = await self.market.lacking()
        known = {base_of(symbol): symbol for symbol in listings}
        wrong = {base: "not listed" for base in playbook.universe if base not in known}
        for base, symbol in known.items():
            if base in playbook.universe and not listings[symbol].tradable:
                wrong[base] = listings[symbol].why or "not tradable through the API"
            elif base in playbook.universe and symbol in lacking:
                wrong[base] = f"no data ({lacking[symbol]})"
        well = [base for base in playbook.universe if base not in wrong]
        return (_instruments(well, wrong),)

    # --- the account --------------------------------------------------------------------------------------------

    async def _balance(self) -> Found:
        """The first that needs the key: where the key is refused, that is the line."""
        name = "balance"
        try:
            purse = await self.profile.purse()
        except OrderRejected as no:
            if no.code in KEY:
                return (error("key", f"it is refused: {no}", KEY_MEND[Code(no.code)]),)
            raise
        quote = self.playbook().quote
        said = f"{purse.wallet:,.2f} {quote}, {purse.available:,.2f} of it available"
        if purse.wallet <= 0:
            return (error(name, said, f"move {quote} to the futures account"),)
        if purse.available <= 0:
            return (warning(name, said, "nothing can be opened until something is closed"),)
        return (fine(name, said),)

    async def _account(self) -> Found:
        listings, playbook, profile = await self.market.listings(), self.playbook(), self.profile
        wanted = {s: x for s, x in listings.items() if x.tradable and base_of(s) in playbook.universe}
        books = await _or_fault(self.books)
        held, working, terms = await asyncio.gather(
            profile.positions(), profile.working(), asyncio.gather(*map(profile.terms, wanted))
        )
        later = await _or_fault(self.books)  # it may have opened or closed while we read: either is its own
        most = min(playbook.sizing.leverage, playbook.limits.max_leverage)
        account = Account(
            held=held,
            working=working,
            terms=dict(zip(wanted, terms, strict=True)),
            leverage={s: min(most, x.instrument.max_leverage) for s, x in wanted.items()},
        )
        if isinstance(books, str) or isinstance(later, str):
            why = books if isinstance(books, str) else str(later)
            unread = error("the desk's books", why, "see the line of the database")
            return unread, *account_findings(account, None)
        return account_findings(account, books.joined(later))


def clock_finding(profile: Profile, ahead: timedelta) -> Finding:
    limit = EARLY.get(profile.name, profile.clock_window / 2)
    off = abs(ahead)
    said = f"{off.total_seconds():.2f} s {'ahead of' if ahead > timedelta() else 'behind'} the exchange's"
    mend = "set this machine's clock by a time server (chrony, systemd-timesyncd), and keep it so"
    if off > limit:
        return error("clock", f"{said}; {limit.total_seconds():g} s is the most", mend)
    return warning("clock", said, mend) if off > NEAR else fine("clock", said)


def _instruments(well: Sequence[str], wrong: Mapping[str, str]) -> Finding:
    name = "instruments"
    said = "; ".join(f"{base}: {why}" for base, why in wrong.items())
    if not well:
        return error(name, f"none can be traded; {said}", "choose a playbook whose universe is on this exchange")
    if wrong:
        return warning(name, f"{len(well)} can be traded; {said}", "nothing to do: these are left out")
    return fine(name, f"all {len(well)} can be traded: {', '.join(well)}")


async def _or_fault(books: Callable[[], Awaitable[Books | None]]) -> Books | str:
    """Without a desk there is nothing in them."""
    try:
        return await books() or Books()
    except GavelError as failed:
        return str(failed)


class Asked:
    """The market as the exchange itself tells it, for a process without a feed. Read once, for one examination."""

    def __init__(self, profile: Profile, *, bases: Sequence[str], quote: str, every: timedelta) -> None:
        self._profile = profile
        self._bases, self._quote, self._every = bases, quote, every
        self._reading = asyncio.Lock()
        self._listings: dict[Symbol, Listing] | None = None

    async def listings(self) -> Mapping[Symbol, Listing]:
        async with self._reading:
            if self._listings is None:
                self._listings = await self._profile.listings(self._bases, self._quote)
            return self._listings

    async def lacking(self) -> Mapping[Symbol, str]:
        symbols = list(await self.listings())
        why = await asyncio.gather(*map(self._without, symbols))
        return {symbol: said for symbol, said in zip(symbols, why, strict=True) if said}

    async def _without(self, symbol: Symbol) -> str:
        try:
            candles = await self._profile.candles(symbol, self._every, start=None, limit=2)
        except (Transient, OrderRejected) as failed:
            return str(failed)
        return "" if candles.opened else "it has no bar"
