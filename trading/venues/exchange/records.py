"""Fills and funding as the exchange's own records tell them: read with an overlap, kept, and given an order in time.

The id of a fill begins with its time, so that ids rise; what turns up late is read again for as long as `LAG`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from trading.model import EPOCH, ClientId, Fill, FundingPayment, Symbol
from trading.ports import Clock
from trading.venues.exchange.ids import ours
from trading.venues.exchange.matching import STRANGER, Matching
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Execution, Payment

LAG = timedelta(minutes=5)
OVERLAP = timedelta(minutes=2)  # what was read is read again: records come in late
OWNERS = 5_000  # orders whose owner is remembered
FUNDING_EVERY = timedelta(seconds=30)  # how often funding is asked for
MS = timedelta(milliseconds=1)


def _stamp(at: datetime) -> str:
    return f"{(at - EPOCH) // MS:013d}"


def time_of(id: str) -> datetime:
    """When a fill with this id was; for "" the beginning of time."""
    stamp = id.partition("-")[0]
    return EPOCH + int(stamp) * MS if stamp.isdigit() else EPOCH


def _rank(id: str) -> str:
    """Numbers of different lengths in the order of their size."""
    return id.zfill(24) if id.isdigit() else id


def fill_id(execution: Execution) -> str:
    return f"{_stamp(execution.at)}-{execution.symbol.partition('/')[0]}-{_rank(execution.trade)}"


class Records:
    def __init__(self, profile: Profile, matching: Matching, clock: Clock) -> None:
        self._profile = profile
        self._matching = matching
        self._clock = clock
        self._began = clock.now()
        self._fills: dict[str, Fill] = {}
        self._payments: dict[str, FundingPayment] = {}
        self._read_to: dict[Symbol, datetime] = {}
        self._paid_to: datetime | None = None
        self._hurried = False
        self._forced: set[ClientId] = set()  # liquidations
        self._owners: dict[tuple[Symbol, str], ClientId] = {}

    @property
    def beginning(self) -> str:
        return _stamp(self._clock.now())

    async def fills(self, after: str, symbols: Iterable[Symbol]) -> tuple[Fill, ...]:
        """All after this id, oldest first; of these instruments they are read anew."""
        await self.read(symbols, since=time_of(after))
        for id in [id for id in self._fills if id <= after]:
            del self._fills[id]  # nobody asks for it any more
        return tuple(self._fills[id] for id in sorted(self._fills))

    async def read(self, symbols: Iterable[Symbol], *, since: datetime | None = None) -> tuple[Fill, ...]:
        """Read what is new of these instruments. Returns what was not known."""
        asked = tuple(symbols)
        before = self._clock.now()
        new: list[Fill] = []
        if self._profile.sees_all_fills:
            first = min((self._from(s, since) for s in asked), default=before)
            new += await self._take(await self._profile.executions(first, None))
        else:
            for symbol in asked:
                new += await self._take(await self._profile.executions(self._from(symbol, since), symbol))
        self._read_to |= dict.fromkeys(asked, before)
        return tuple(new)

    async def funding(self, after: str) -> tuple[FundingPayment, ...]:
        now = self._clock.now()
        if self._paid_to is None or self._hurried or now - self._paid_to >= FUNDING_EVERY:
            self._hurried = False
            try:
                await self._read_payments(self._paid_to - OVERLAP if self._paid_to else self._first(after))
            except BaseException:
                self._hurried = True  # what is wanted is still wanted
                raise
            self._paid_to = now
        for id in [id for id in self._payments if id <= after]:
            del self._payments[id]
        return tuple(self._payments[id] for id in sorted(self._payments))

    def _first(self, after: str) -> datetime:
        return time_of(after) if after else self._began - OVERLAP

    async def _read_payments(self, since: datetime) -> None:
        for payment in await self._profile.payments(since):
            funding = _funding(payment)
            self._payments.setdefault(funding.id, funding)

    def hurry(self) -> None:
        """Funding has been settled: the next look asks for it."""
        self._hurried = True

    def _from(self, symbol: Symbol, since: datetime | None) -> datetime:
        known = self._read_to.get(symbol)
        if known is not None:
            return known - OVERLAP
        return since if since is not None and since > EPOCH else self._began - OVERLAP

    async def _take(self, found: Iterable[Execution]) -> list[Fill]:
        new = []
        for execution in found:
            id = fill_id(execution)
            if id not in self._fills:
                fill = self._fills[id] = await self._fill(id, execution)
                new.append(fill)
        if new:
            self.hurry()  # funding before them belongs to the same position
        return new

    async def _fill(self, id: str, execution: Execution) -> Fill:
        owner = await self._owner(execution)
        return Fill(
            id=id,
            client_id=owner,
            symbol=execution.symbol,
            side=execution.side,
            quantity=execution.quantity,
            price=execution.price,
            fee=execution.fee,
            at=execution.at,
            maker=execution.maker,
            liquidation=execution.liquidation or owner in self._forced,
        )

    async def _owner(self, execution: Execution) -> ClientId:
        """Whose order it was: by its id, by the guard it is said to be, or by looking the order up."""
        found = ours(execution.client_id)
        if found is not None:
            return found
        if execution.guard is not None:
            guard = self._matching.guard_id(execution.symbol, execution.guard)
            if guard is not None:
                return guard
        key = execution.symbol, execution.order
        if key not in self._owners:
            if len(self._owners) >= OWNERS:
                self._owners.clear()
            self._owners[key] = await self._looked_up(execution)
        return self._owners[key]

    async def _looked_up(self, execution: Execution) -> ClientId:
        stranger = ClientId(f"{STRANGER}{execution.order}")
        if execution.liquidation:
            return stranger
        seen = await self._profile.find_by_id(execution.symbol, execution.order)
        if seen is not None and seen.forced:
            self._forced.add(stranger)
            return stranger
        found = stranger if seen is None else self._matching.client_id(seen)
        return found if not found.startswith(STRANGER) else await self._fired(execution) or found

    async def _fired(self, execution: Execution) -> ClientId | None:
        """Whether it was what a guard of ours became when it fired: the exchange says so, or that guard stands no
        more. Of two that are gone it was the one that is nearer to the price."""
        symbol, guard = execution.symbol, self._matching.guard_on(execution.symbol)
        if guard is None:
            return None
        for id, at_exchange in self._matching.guards_seen(symbol):
            seen = await self._profile.find(symbol, at_exchange, conditional=True)
            if seen is not None and seen.fired:
                return id if seen.fired == execution.order else None
        standing = self._matching.newest(await self._profile.working(symbol))
        levels = {guard.stop_id: guard.stop, guard.target_id: guard.target}
        gone = [id for id in levels if id not in standing]
        return min(gone, key=lambda id: abs(levels[id] - execution.price), default=None)


def _funding(payment: Payment) -> FundingPayment:
    id = f"{_stamp(payment.at)}-{payment.symbol.partition('/')[0]}-{_rank(payment.id)}"
    rate = payment.rate if payment.rate is not None else payment.amount * 0
    return FundingPayment(id=id, symbol=payment.symbol, at=payment.at, rate=rate, amount=payment.amount)
