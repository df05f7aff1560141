"""The governor: nothing is asked of a model before its worst case has been set aside, in memory and in the ledger.

What is looked at and what is set aside happen without a pause between them, so that calls made at once can never
share the same room. Then the ledger is written; a reservation that it does not take never was. A crash leaves the
reservation in the ledger, and the next start counts it in full: nobody knows what became of that call.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from trading.asking import Kept
from trading.errors import GavelError, JournalUnwritable
from trading.events import BudgetReached
from trading.llm.books import DECISION, HOUR, WORDED, ZERO, Books, Line, Sum, purpose_of
from trading.ports import Clock, Ledger
from trading.spending import GIVEN_UP, SHARES, WORDS, BudgetView, Caps, CapUse, ModelLine
from trading.voice import Basis, Exchange, Lack

T = TypeVar("T")

log = logging.getLogger(__name__)

_LEAST = min(SHARES.values())  # of a purpose that nobody has ranked
_WHERE = {DECISION: "for this decision", "hour": "of the hour", "day": "of the day", "month": "of the month",
          WORDED: "of the day for words"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBudget:
    """Refused. `cap` is "" where no cap was in the way."""

    lack: Lack
    reason: str
    cap: str = ""
    limit: Decimal = ZERO  # what this purpose may use of it
    used: Decimal = ZERO  # with what is reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A cap that was said to be reached."""

    day: date
    wanted: Decimal  # what did not fit any more


class Governor:
    """One to a ledger. `told` hears of a cap once for each purpose, until there is room again; `now`: the time that its
    events wear, the desk's."""

    def __init__(
        self,
        caps: Caps,
        ledger: Ledger,
        wall: Clock,
        *,
        told: Callable[[BudgetReached], None] = lambda _: None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._limits = {"hour": caps.hour, "day": caps.day, "month": caps.month}
        self._decision, self._words = caps.decision, caps.words
        self._ledger = ledger
        self._wall = wall
        self._tell = told
        self._now = now or wall.now
        self._books = Books()
        self._open: dict[int, Line] = {}  # by id in the ledger: reserved, not settled
        self._today = wall.now().date()
        self._told: dict[tuple[str, str], _Told] = {}  # by cap and purpose
        self._dear: set[str] = set()  # models that have cost more than was set aside
        self._writing: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Take over what this month and the last hour have cost already. Raises BadRecord, JournalUnwritable."""
        now = self._wall.now()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for spent in await self._ledger.spent(min(month, now - HOUR)):
            if spent.settled and not spent.cost and purpose_of(spent.purpose) not in SHARES:
                continue  # what is only kept, and was never paid: a reader of the chain asks often
            line = Line(
                at=spent.at,
                about=spent.about,
                purpose=spent.purpose,
                model=spent.model,
                cost=spent.cost,
                settled=spent.settled,
            )
            self._books.add(line)
        self._books.forget(now)

    # --- before a request -----------------------------------------------------------------------------------------

    async def reserve(self, exchange: Exchange, *, about: str) -> Exchange | NoBudget:
        """Set `exchange.cost` aside, the worst case; the exchange comes back with its id. A caller that is cancelled
        here never sends it, and gets it back."""
        if exchange.basis is not Basis.RESERVED or not exchange.cost.is_finite() or exchange.cost < 0:
            return NoBudget(lack=Lack.NO_PRICE, reason=f"nobody has said what {exchange.requested} costs")
        if (refused := self._refused(exchange, about)) is not None:
            return refused
        line = Line(at=exchange.at, about=about, purpose=exchange.purpose, model=exchange.requested, cost=exchange.cost)
        self._books.add(line)
        writing = self._started(self._write(exchange, line))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(self._give_back)
            raise

    def _refused(self, exchange: Exchange, about: str) -> NoBudget | None:
        now, purpose = exchange.at, purpose_of(exchange.purpose)
        self._turn(now)
        for cap, limit, used in self._room(purpose, about, now):
            if used.all + exchange.cost > limit:
                self._say(cap, purpose, limit, used.all, exchange.cost)
                return NoBudget(
                    lack=Lack.OVER_BUDGET,
                    reason=f"{_plain(used.all)} of {_plain(limit)} USD {_WHERE[cap]} are used, "
                    f"it may cost {_plain(exchange.cost)}",
                    cap=cap,
                    limit=limit,
                    used=used.all,
                )
        return None

    def _room(self, purpose: str, about: str, now: datetime) -> Iterator[tuple[str, Decimal, Sum]]:
        """Each cap that a purpose is under, with what it may use of it. Words belong to no decision: what they are
        about is a person, and they have a cap of their own."""
        share = SHARES.get(purpose, _LEAST)
        if purpose not in WORDS:
            yield DECISION, self._decision * share, self._books.used(DECISION, about, now)
        else:
            yield WORDED, self._words, self._books.used(WORDED, "", now)
        for cap, limit in self._limits.items():
            yield cap, limit * share, self._books.used(cap, "", now)

    async def _write(self, exchange: Exchange, line: Line) -> Exchange | NoBudget:
        try:
            id = await self._ledger.reserve(exchange, about=line.about)
        except GavelError as error:
            self._books.drop(line)
            log.error("a call was not made, its cost could not be written down: %s", error)
            return NoBudget(lack=Lack.NOT_RECORDED, reason="what it may cost could not be written down")
        self._open[id] = line
        return replace(exchange, id=id)

    def _give_back(self, writing: asyncio.Task[Exchange | NoBudget]) -> None:
        if writing.cancelled() or writing.exception() is not None:
            return
        written = writing.result()
        if isinstance(written, Exchange):
            unsent = replace(written, cost=ZERO, basis=Basis.FREE, lack=Lack.LATE, reason="it was never sent")
            self._started(self._close(Kept(exchange=unsent))).add_done_callback(_logged)

    # --- after it -------------------------------------------------------------------------------------------------

    async def settle(self, kept: Kept) -> None:
        """What it came to takes the place of its reservation. Raises JournalUnwritable; the reservation stands then.
        A caller that is cancelled here has it settled all the same."""
        closing = self._started(self._close(kept))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            closing.add_done_callback(_logged)
            raise

    async def _close(self, kept: Kept) -> None:
        exchange = kept.exchange
        line = self._open.pop(exchange.id, None)
        if line is None:
            raise JournalUnwritable(f"exchange {exchange.id} was never reserved, or is settled already")
        try:
            await self._ledger.settle(kept)
        except BaseException:
            self._open[exchange.id] = line
            raise
        if exchange.cost > line.cost and exchange.requested not in self._dear:
            self._dear.add(exchange.requested)
            log.warning(
                "%s has cost %s USD, set aside were %s: it is counted", exchange.requested, exchange.cost, line.cost
            )
        self._books.settle(line, exchange.cost)

    def _started(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def close(self) -> None:
        """What is being written is written to its end."""
        while self._writing:
            await asyncio.wait(set(self._writing))

    # --- what is said of it ---------------------------------------------------------------------------------------

    def _say(self, cap: str, purpose: str, limit: Decimal, used: Decimal, wanted: Decimal) -> None:
        known = (cap, purpose) in self._told
        self._told[cap, purpose] = _Told(day=self._today, wanted=wanted)
        if not known:
            given_up = GIVEN_UP.get(purpose, purpose)
            self._tell(BudgetReached(at=self._now(), cap=cap, limit=limit, used=used, given_up=given_up))

    def _turn(self, now: datetime) -> None:
        """Forget what is over: caps that have room again, and on a new day what no cap looks at any more. Each decision
        has room of its own: that one ran out of it is said once a day."""
        if now.date() != self._today:
            self._today = now.date()
            self._books.forget(now)
        self._told = {place: told for place, told in self._told.items() if self._stands(*place, told, now)}

    def _stands(self, cap: str, purpose: str, told: _Told, now: datetime) -> bool:
        if cap == DECISION:
            return told.day == self._today
        return any(used.all + told.wanted > limit for name, limit, used in self._room(purpose, "", now) if name == cap)

    def view(self, *, voices: tuple[tuple[str, str], ...] = (), models: tuple[ModelLine, ...] = ()) -> BudgetView:
        now = self._wall.now()
        self._turn(now)
        limits = {**self._limits, WORDED: self._words}
        return BudgetView(
            at=now,
            caps=tuple(_use(cap, limit, self._books.used(cap, "", now)) for cap, limit in limits.items()),
            per_decision=self._decision,
            costs=self._books.costs(now),
            given_up=tuple(purpose for purpose in SHARES if self._is_given_up(purpose, now)),
            voices=voices,
            models=models,
            last=self._books.last(),
        )

    def _is_given_up(self, purpose: str, now: datetime) -> bool:
        """Nothing is left for it, or not as much as it wanted the last time."""
        if any((cap, purpose) in self._told for cap in (*self._limits, WORDED)):
            return True
        return any(used.all >= limit for cap, limit, used in self._room(purpose, "", now) if cap != DECISION)


def _use(cap: str, limit: Decimal, used: Sum) -> CapUse:
    return CapUse(name=cap, limit=limit, settled=used.settled, reserved=used.reserved)


def _plain(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


def _logged(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a reservation stands, what it came to could not be written down: %s", error)
