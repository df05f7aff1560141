"""What only a person may say about money: that real money is traded at all, and that the venue's wallet is right."""

from decimal import Decimal

from trading.book import Book
from trading.errors import Misuse, NoEvidence
from trading.events import LiveArmed, LiveDisarmed, WalletAccepted
from trading.market.snapshot import Snapshots
from trading.messages import AcceptWallet, ArmLive, DisarmLive
from trading.reconcile import CENT, Reconciler

NOT_CONFIRMED = "live trading is not confirmed: /mode live"


class RealMoney:
    """`real`: the desk's orders go to an exchange."""

    def __init__(self, *, book: Book, reconciler: Reconciler, market: Snapshots, real: bool) -> None:
        self.book = book
        self.reconciler = reconciler
        self.market = market
        self.real = real

    @property
    def hold(self) -> str:
        """Why nothing is entered; "" on paper, and once a person has confirmed."""
        return NOT_CONFIRMED if self.real and self.book.state.live_at is None else ""

    async def arm(self, command: ArmLive) -> str:
        if not self.real:
            raise Misuse("The desk trades on paper: there is no real money to confirm.")
        state, now = self.book.state, self.book.clock.now()
        if state.live_at is not None:
            raise Misuse(f"Live trading is confirmed already, by {state.live_by}.")
        equity = self._equity()
        venue = state.tags.get("market", self.reconciler.venue.name)
        told = LiveArmed(at=now, by=command.by, equity=equity, venue=venue)
        await self.book.commit([told], desk={"live_by": command.by, "live_at": now})
        return "Live trading is confirmed: the desk may enter, with real orders."

    async def disarm(self, command: DisarmLive) -> str:
        if self.book.state.live_at is None:
            raise Misuse("Live trading is not confirmed: nothing is entered.")
        told = LiveDisarmed(at=self.book.clock.now(), by=command.by)
        await self.book.commit([told], desk={"live_by": "", "live_at": None}, exit=True)
        return "No new entries. Exits and protection go on."

    async def accept(self, command: AcceptWallet) -> str:
        """Move the beginning of the books and of the day by the difference: neither result changes by it."""
        wallets = self.reconciler.wallets
        if wallets is None or self.reconciler.unacceptable:
            raise Misuse(self.reconciler.unacceptable)
        off = wallets.difference
        shown = off if command.difference is None else command.difference
        if abs(off - shown) > CENT:
            raise Misuse(f"The difference is {off:+f} by now, and {shown:+f} was shown: /wallet accept asks again.")
        state, before = self.book.state, self.book.booked
        told = WalletAccepted(at=self.book.clock.now(), by=command.by, before=before, after=before + off)
        changed = {"start_equity": state.start_equity + off}
        if state.day is not None:
            changed["day_equity"] = state.day_equity + off
        # At once, and not by the commit: a day that begins meanwhile would be opened with the old books.
        self.book.note(told, *self.reconciler.accepted(), **changed)
        await self.book.commit([], exit=True)
        return f"The desk's wallet is {before + off:f} now, as at the venue; it was {before:f}."

    def _equity(self) -> Decimal:
        balance = self.reconciler.balance
        if balance is None or self.reconciler.lost_at is not None:
            raise Misuse("The venue cannot be read: what is there is not known.")
        try:
            return balance.wallet + self.book.unrealised(self.market.quote)
        except NoEvidence as error:
            raise Misuse(f"What is open has no fresh mark: {error}") from error
