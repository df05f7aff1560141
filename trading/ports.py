"""Every port of the desk on one page. What stands behind each is wired in bot/bootstrap.py and nowhere else."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from trading.asking import A, Answer, Kept, NoAnswer, Question
from trading.chain import ChainView, Reading
from trading.decision import Decision
from trading.events import Event
from trading.experts import Trial
from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    Balance,
    ClientId,
    Fill,
    FundingPayment,
    Holding,
    Instrument,
    Order,
    Position,
    Protection,
    Quote,
    Symbol,
    Trade,
)
from trading.state import DeskState
from trading.voice import Exchange

RECENT = 500  # closed trades that a desk keeps at hand

State = Order | Position | Trade | DeskState


class Clock(Protocol):
    def now(self) -> datetime: ...


class MarketData(Protocol):
    """What the desk may see of the market at this moment. Nothing it returns lies in the future."""

    source: str  # "simulated market": stands on every card

    def instruments(self) -> dict[Symbol, Instrument]: ...

    def quote(self, symbol: Symbol) -> Quote:
        """Raises NoEvidence when there is none or it is too old."""
        ...


class Venue(Protocol):
    """An exchange account. Every call may raise Transient (nothing happened) or UnknownOutcome (look it up)."""

    name: str
    lag: timedelta  # how late a fill may come to be seen in a read
    arrives_within: timedelta  # how long after it left a request may still be carried out

    async def instruments(self) -> dict[Symbol, Instrument]: ...

    async def beginning(self) -> str:
        """The id behind which everything is news to a desk that begins now."""
        ...

    async def submit(self, order: Order, protection: Protection | None = None) -> OrderReport:
        """Send an order, with its protection attached when given. Raises OrderRejected, Transient, UnknownOutcome.

        The answer is an acknowledgement: fills come as updates.
        """
        ...

    async def amend(self, symbol: Symbol, client_id: ClientId, *, trigger: Decimal) -> OrderReport:
        """Move a working stop or target to another level, in place: it is never away.

        Raises OrderRejected (code "gone" when there is no such working order), Transient, UnknownOutcome. Asking twice
        for the same level is no error.
        """
        ...

    async def protect(self, position: Position) -> None:
        """Place what is missing of a position's stop and target; what stands is left as it is.

        Raises OrderRejected (code "triggers" where one would fire at once), Transient, UnknownOutcome.
        """
        ...

    async def cancel(self, symbol: Symbol, client_id: ClientId) -> None:
        """Ask for cancellation; an order that is already gone is no error."""
        ...

    async def order(self, symbol: Symbol, client_id: ClientId) -> OrderReport | None:
        """Look one order up; None means the venue certainly does not know it."""
        ...

    async def open_orders(self, symbol: Symbol | None = None) -> tuple[OrderReport, ...]:
        """All working orders, protection included. `symbol`: of one instrument, and read before everything else."""
        ...

    async def positions(self) -> tuple[Holding, ...]: ...

    async def balance(self) -> Balance: ...

    async def fills(self, after: str, symbol: Symbol | None = None) -> tuple[Fill, ...]:
        """Fills with an id after this one, oldest first; "" means all. `symbol`: of one instrument, others may come."""
        ...

    async def funding(self, after: str) -> tuple[FundingPayment, ...]: ...

    def listen(self, receive: Callable[[VenueUpdate], None]) -> None:
        """Updates go here as they happen. They may be lost: reads are the truth."""
        ...


class LanguageModel(Protocol):
    """Models, whoever provides them. Nothing that can happen there comes back as an exception."""

    async def ask(self, question: Question[A]) -> Answer[A] | NoAnswer:
        """One answer that fits the schema, or a typed lack of it; every exchange is paid for and kept before."""
        ...


class OnChain(Protocol):
    """What large holders do, as the chain shows it."""

    off: str  # why it cannot be asked at all; "" where it can

    async def reading(self) -> Reading:
        """The newest one; several callers share one look. Raises NoReading."""
        ...

    def view(self) -> ChainView: ...

    async def close(self) -> None: ...


class ChainCache(Protocol):
    """Answers of the chain's provider with the wall time they were asked at. Raises JournalUnwritable, BadRecord."""

    async def get(self, key: str) -> tuple[datetime, bytes] | None: ...

    async def put(self, key: str, at: datetime, body: bytes) -> None:
        """`body`: UTF-8 text. What nobody has renewed for days falls away."""
        ...


class Ledger(Protocol):
    """What models have cost, and the bytes of every exchange. Wall time. Raises JournalUnwritable."""

    async def reserve(self, exchange: Exchange, *, about: str) -> int:
        """Write the worst case down before the request leaves: `exchange.cost`. Returns its id."""
        ...

    async def settle(self, kept: Kept) -> None:
        """What it came to, with its bodies. `kept.exchange.id` is that of the reservation."""
        ...

    async def keep(self, kept: Kept) -> int:
        """An exchange that costs nothing, and was not reserved. Returns its id."""
        ...

    async def spent(self, since: datetime) -> "Sequence[Spent]":
        """Every exchange since then, settled or still reserved, oldest first."""
        ...

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        """Those that are still there, and still what they were."""
        ...

    async def as_kept(self, shas: Sequence[str]) -> dict[str, bytes]:
        """Likewise, whatever the bytes are now: for whoever looks whether they are still those that were written."""
        ...


class Spent(Protocol):
    """One line of the ledger."""

    @property
    def at(self) -> datetime: ...

    @property
    def about(self) -> str: ...

    @property
    def purpose(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def cost(self) -> Decimal:
        """USD; the reservation until it is settled."""
        ...

    @property
    def settled(self) -> bool: ...


class Journal(Protocol):
    """The desk's memory. Events, the state they changed and the messages they call for are one transaction."""

    async def commit(self, events: Sequence[Event], states: Sequence[State] = ()) -> None:
        """Raises JournalUnwritable; then nothing of it was written."""
        ...

    async def load(self) -> "Remembered | None":
        """What was there when the last process ended; None for a new desk."""
        ...

    async def known(self, decisions: Sequence[str]) -> frozenset[str]:
        """Which of these decision ids are in the journal already."""
        ...

    async def waits(self, since: datetime) -> Sequence[Decision]:
        """Decisions without a trade since then, oldest first."""
        ...

    async def trials(self, n: int) -> Sequence[Trial]:
        """The last decisions, so many at most, of which a call was scored. Raises BadRecord."""
        ...


class Remembered(Protocol):
    """What a restart finds: the desk's state, its open positions, its unfinished orders."""

    state: DeskState
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    fills: frozenset[str]  # ids of fills applied after `state.last_fill`
    funding: frozenset[str]  # likewise of funding payments, after `state.last_funding`
    exits: tuple[Trade, ...]  # the last trade of each instrument
    trades: tuple[Trade, ...]  # the last RECENT closed trades, oldest first
    shadow_trades: tuple[Trade, ...]  # the last RECENT closed shadow trades, oldest first
    told: frozenset[tuple[str, Symbol]]  # gaps and ends of data told at `state.market_at`: (event, instrument)
