"""The desk: it starts, brings what happens to its lanes, hands commands on, ends, and shows itself.

What it knows is in `book`, and changes by its transactions alone. What it runs on is in `running`: playbook, panel,
phase. `thinking` decides and enters, `watch` leaves, `execution` does both at the venue, each instrument in its own
lane; `control` does what people say; `sentry` and `reconciler` look after the desk itself.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from trading.book import Book
from trading.control import Control
from trading.cycle import Cycle
from trading.events import DataEnded, DataGap, DeskFaulted, DeskStarted, DeskStopped, Event
from trading.execution import Execution
from trading.lanes import Lanes
from trading.market.snapshot import Snapshots
from trading.messages import Command, Decide, OrderReport, SumPeriod, SumWaits, Sweep, VenueUpdate
from trading.model import ExitReason, Position, Quote, Symbol
from trading.playbook import Playbook
from trading.ports import Clock, Journal, Venue
from trading.real_money import RealMoney
from trading.reconcile import Reconciler
from trading.running import Arm, Panel, Running
from trading.scoring import Scoring
from trading.sentry import Sentry
from trading.setting_lines import setting_lines
from trading.settings import BY_DATES, Alter, Load, Row
from trading.shadowing import Shadowing
from trading.showing import self_check, status_of
from trading.state import DeskState
from trading.status import DeskStatus, SettingLine
from trading.stopwatch import TimedVenue
from trading.summing import Summing
from trading.thinking import Thinking
from trading.watch import Watch

log = logging.getLogger(__name__)

PAPER, LIVE = "PAPER", "LIVE"  # whose money it is
BREAKER = Symbol("breaker")  # its lane, in which what it has to say is written
SCORES = Symbol("scores")  # likewise of calls whose horizon has passed
STOP_WITHIN = 2.0  # seconds that lanes have to finish what they do
SETTLE_WITHIN = 5.0  # seconds that a look at the venue's books waits for them


class Desk:
    """Build with `Desk.open`, which reads the journal, then `start` it."""

    def __init__(
        self,
        *,
        book: Book,
        market: Snapshots,
        venue: Venue,
        running: Running,
        resumed_at: datetime | None,
        told: frozenset[tuple[str, Symbol]] = frozenset(),
        mode: str = PAPER,
    ) -> None:
        self.mode = mode
        self.book, self.market, self.running = book, market, running
        self.resumed_at, self._told = resumed_at, told
        self.venue = TimedVenue(venue, clock=book.clock, note=book.timed)
        self.lanes = Lanes(self._on_fault)
        self.execution = Execution(venue=self.venue, book=book, closed=self._on_closed)
        self.reconciler = Reconciler(venue=self.venue, book=book, execution=self.execution, in_lane=self.lanes.run)
        self.sentry = Sentry(book=book, marks=market.quote, books=lambda: self.reconciler.agreed)
        book.learnt = self._look
        self.cycle = Cycle(market=market, book=book, playbook=self.playbook, panel=self.panel, repeats_until=resumed_at)
        self.watch = Watch(
            book=book,
            execution=self.execution,
            market=market,
            outlooks=self.cycle.outlooks,
            every=self.playbook.schedule.watch_every,
        )
        self.shadowing = Shadowing(book=book, watch=self.watch)
        self.scoring = Scoring(book=book, market=market)
        self.summing = Summing(book=book, market=market, scoring=self.scoring)
        self.thinking = Thinking(
            book=book,
            running=running,
            cycle=self.cycle,
            sentry=self.sentry,
            execution=self.execution,
            lanes=self.lanes,
            look=self._look,
            frozen=lambda: self.frozen,
            failed=self._on_fault,
        )
        self.money = RealMoney(book=book, reconciler=self.reconciler, market=market, real=mode == LIVE)
        self.control = Control(
            book=book,
            running=running,
            sentry=self.sentry,
            execution=self.execution,
            lanes=self.lanes,
            thinking=self.thinking,
            money=self.money,
            look=self._look,
        )
        self.waits = self.thinking.waits
        running.followers.append(self._follow)
        self.faults: dict[str, str] = {}
        # Who else may say why entries are frozen; "" where they are not.
        self.holds: list[Callable[[], str]] = [lambda: self.money.hold]
        self.patient = True  # whether time stands still while somebody thinks: it does in a replay, not at a venue

    @classmethod
    async def open(
        cls,
        *,
        name: str,
        journal: Journal,
        clock: Clock,
        market: Snapshots,
        venue: Venue,
        playbook: Playbook,
        arm: Arm,
        load: Load,
        tags: Mapping[str, str],
        mode: str = PAPER,
    ) -> "Desk":
        """A desk with the books it had when its last process ended, or with new ones opened at the venue's balance.

        `playbook` is as its file has it; what people changed of it in the chat is put over it here. `load` finds
        another one by its name, and raises BadPlaybook.
        """
        remembered = await journal.load()
        balance, beginning = await venue.balance(), await venue.beginning()
        fresh = DeskState(
            desk=name,
            playbook=playbook.name,
            start_equity=balance.wallet,
            waits_since=clock.now(),
            tags=dict(tags),
            last_fill=beginning,
            last_funding=beginning,
        )
        book = Book(journal=journal, clock=clock, state=fresh, playbook=playbook, remembered=remembered)
        desk = cls(
            book=book,
            market=market,
            venue=venue,
            running=Running(book=book, market=market, file=playbook, arm=arm, load=load),
            resumed_at=remembered.state.market_at if remembered else None,
            told=remembered.told if remembered else frozenset(),
            mode=mode,
        )
        for decision in await journal.waits(desk.waits.since) if remembered else ():
            desk.waits.add(decision)
        return desk

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Reconcile first, then say what was found, then go on."""
        self.venue.listen(self.receive)
        await self.reconciler.run()
        # What is unfinished is attended to with the first quotes, not now: nothing is sent at a price from before.
        self.book.roll_day(self.market.quote)
        started = DeskStarted(
            at=self.now(),
            playbook=self.playbook.name,
            market=self.market.source,
            mode=self.mode,
            equity=self.book.booked,
            open_positions=len(self.book.positions),
            resumed=self.resumed_at is not None,
            personas_off=tuple(f"{name}: {why}" for name, why in self.running.panel.off.items()),
        )
        await self.running.take_up(started)
        self.thinking.start()

    async def stop(self, reason: str) -> tuple[Position, ...]:
        """End in order: no new thoughts, lanes done, the journal told. Returns what is left open.

        A request that hangs is not waited for: its intent is journalled, and the next start looks it up.
        """
        await self.thinking.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN):
                await self.lanes.settle()
        await self.lanes.close()
        left = tuple(self.book.positions.values())
        await self.book.commit([DeskStopped(at=self.now(), reason=reason, left_open=left)], exit=True)
        return left

    async def settle(self) -> None:
        """Until everything that was started is done: what a replayed market waits for between two moments. Where time
        goes on by itself, a model that thinks is not waited for."""
        while True:
            await self.lanes.settle()
            if self.patient or self.panel.instant:
                await self.thinking.settle()
            if self.lanes.idle:
                return

    # --- what happens -------------------------------------------------------------------------------------------

    def receive(self, update: VenueUpdate) -> None:
        """The venue's updates, in their order, into the lane of their instrument."""
        match update:
            case OrderReport():
                self.lanes.post(update.order.symbol, lambda: self.execution.on_report(update))
            case _:
                self.lanes.post(update.symbol, lambda: self.execution.hear(update))

    def on_quote(self, quote: Quote) -> None:
        """Exits look at every quote; an instrument without a position, real or shadow, has nothing to exit."""
        if self.book.on(quote.symbol) is not None:
            self._look()
            self.lanes.post_newest(quote.symbol, "quote", lambda: self.watch.on_quote(quote))
        if self.shadowing.on(quote.symbol) is not None:
            self.lanes.post_newest(quote.symbol, "shadow", lambda: self.shadowing.on_quote(quote))

    def watches(self, symbol: Symbol) -> bool:
        """Whether a quote of this instrument matters to anything that is open."""
        return self.book.on(symbol) is not None or self.shadowing.on(symbol) is not None

    def on_time(self) -> None:
        """Time has passed: look after ourselves first, then again at whatever is unfinished."""
        self._look()
        for symbol in sorted(self.book.taken()):
            if self.execution.needs_attention(symbol):
                self.lanes.post_newest(symbol, "attend", lambda s=symbol: self.execution.attend(s))  # type: ignore[misc]
        if self.scoring.due:
            self.lanes.post(SCORES, self.scoring.score)

    async def on_gap(self, gap: DataGap) -> None:
        if not self._was_told(gap, gap.symbol):
            await self.book.commit([gap], exit=True)

    async def on_data_ended(self, symbol: Symbol) -> None:
        """No bar will come any more: nothing new is opened, what is open is settled at the last price."""
        if symbol in self.thinking.ended:
            return
        self.thinking.ended.add(symbol)
        end = DataEnded(at=self.now(), symbol=symbol)
        if not self._was_told(end, symbol):
            await self.book.commit([end], exit=True)
        self.lanes.post(symbol, lambda: self._leave(symbol))
        self.lanes.post(symbol, lambda: self.shadowing.end(symbol))

    async def _leave(self, symbol: Symbol) -> None:
        position = self.book.on(symbol)
        if position is not None:
            await self.execution.close(position, ExitReason.END_OF_DATA, "its data ends here")

    def _look(self) -> None:
        """Step the breaker: what it comes to holds at once, and is written as soon as may be."""
        if self.sentry.look():
            self.lanes.post(BREAKER, lambda: self.book.commit([], exit=True, idle=True))
        closes = self.sentry.closes()
        if closes is not None:
            for position in self.book.positions.values():
                if position.closing is None:
                    self.lanes.post(position.symbol, lambda i=position.id: self.execution.close_now(i, *closes))  # type: ignore[misc]

    def _was_told(self, event: Event, symbol: Symbol) -> bool:
        """Whether the last process told it: the moment in which it ended may be played again."""
        again = self.resumed_at is not None and event.at <= self.resumed_at
        return again and (type(event).__name__, symbol) in self._told

    def _on_closed(self, symbol: Symbol) -> None:
        if self.playbook.schedule.look_again and symbol not in self.thinking.ended:
            self.thinking.about(Decide(symbols=(symbol,), trigger="after close"))

    def _follow(self, playbook: Playbook) -> None:
        """Decide and watch by these settings from now on. Open positions keep the exits they were opened with."""
        self.cycle.use(playbook, self.panel)
        self.watch.every = playbook.schedule.watch_every
        self.watch.outlooks = self.cycle.outlooks

    def _on_fault(self, symbol: Symbol, error: Exception) -> None:
        """Say an inner error once per place; entries stay frozen, because the books may not be what they seem."""
        detail = f"{type(error).__name__}: {error}"
        if symbol in self.faults:
            return
        self.faults[symbol] = detail
        event = DeskFaulted(at=self.now(), where=symbol, detail=detail)
        self.lanes.post(symbol, lambda: self.book.commit([event], exit=True))

    # --- obeying ------------------------------------------------------------------------------------------------

    async def obey(self, command: Command) -> str:
        """Carry out a command and say in one sentence what was done. Raises Misuse with the reason when it cannot."""
        match command:
            case Decide():
                self.thinking.about(command)
                return "looking"
            case SumWaits():
                await self.thinking.sum_waits()
                return "summed"
            case SumPeriod():
                return await self.summing.tell(weekly=command.weekly)
            case Sweep():
                await self._sweep()
                return "swept"
            case _:
                return await self.control.obey(command)

    async def _sweep(self) -> None:
        """Reconcile with the venue; a phase that began by its date is noticed here too, and a lock that is over."""
        self.control.forget_locks()
        with suppress(TimeoutError):  # at a real venue one lane may hang: the others are looked at all the same
            async with asyncio.timeout(None if self.patient else SETTLE_WITHIN):
                await self.lanes.settle()
        await self.reconciler.run()
        if self.book.writable is not None and not self.book.writable.ok:
            await self.book.commit([], exit=True)  # whether it takes anything again
        self.on_time()
        await self.running.tell_phase(BY_DATES)

    def changes(self, command: Alter) -> tuple[Row, ...]:
        """What a command would change: (setting, before, after). Raises Misuse with the reason when it cannot be."""
        return self.running.worked_out(command).rows

    def settings(self) -> tuple[SettingLine, ...]:
        """Every setting of the running playbook, in the order of its file."""
        return setting_lines(file=self.running.file, playbook=self.playbook, state=self.book.state)

    async def tell(self, *events: Event) -> None:
        """Journal what the surface did: its audit is part of the same record."""
        await self.book.commit(events, exit=True)

    # --- showing ------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.book.clock.now()

    @property
    def playbook(self) -> Playbook:
        return self.running.playbook

    @property
    def panel(self) -> Panel:
        return self.running.panel

    @property
    def followers(self) -> list[Callable[[Playbook], None]]:
        """Who else has to know when other settings run."""
        return self.running.followers

    @property
    def frozen(self) -> str:
        """Why entries are frozen although nobody halted them; "" when they are not."""
        if self.faults:
            return "; ".join(f"inner error on {where}: {what}" for where, what in self.faults.items())
        if self.book.unwritten:
            return "the journal cannot be written"
        return self.reconciler.frozen or next((why for hold in self.holds if (why := hold())), "")

    def status(self) -> DeskStatus:
        return status_of(
            self.book,
            market=self.market,
            mode=self.mode,
            phase=self.running.phase_name,
            frozen=self.frozen,
            last_decision=self.thinking.last,
            reconciler=self.reconciler,
            capabilities=self_check(self.running, self.reconciler, faults=self.faults, ended=self.thinking.ended),
        )
