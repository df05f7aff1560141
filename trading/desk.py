"""The desk: the only holder of state. It starts, obeys, routes what happens to its lanes, and shows itself."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from trading.book import Book
from trading.breaker import Level, in_force
from trading.cycle import Cycle
from trading.decision import shown
from trading.digest import Waits
from trading.errors import JournalUnwritable, Misuse
from trading.execution import Execution
from trading.lanes import Lanes
from trading.market.snapshot import Snapshots
from trading.messages import (
    SCHEDULED,
    AddShadow,
    AmendPhase,
    ClosePosition,
    Command,
    DataEnded,
    DataGap,
    Decide,
    DeskFaulted,
    DeskStarted,
    DeskStopped,
    Event,
    Halt,
    OrderReport,
    OverrideBreaker,
    PhaseChanged,
    PlaybookChanged,
    RemoveShadow,
    ResetBreaker,
    Resume,
    SetPhase,
    SettingsChanged,
    SumWaits,
    Sweep,
    TradingHalted,
    TradingResumed,
    Undo,
    UsePlaybook,
    VenueUpdate,
)
from trading.model import ExitReason, Order, Position, PositionId, Quote, Symbol, TradingState, base_of
from trading.personas.panel import Persona
from trading.playbook import Phase, Playbook
from trading.ports import Clock, Journal, Venue
from trading.reconcile import Reconciler
from trading.sentry import Sentry
from trading.settings import Change, Fit, Load, Row, amendment, fitting, state_after, told_of, work_out
from trading.shadowing import Shadowing
from trading.showing import capability, ended_words, not_guarded, status_of
from trading.state import DeskState
from trading.status import Armed, Capability, DeskStatus
from trading.stopwatch import TimedVenue
from trading.watch import Watch

log = logging.getLogger(__name__)

Arm = Callable[[Playbook], tuple[Mapping[str, Persona], Mapping[str, str]]]  # those that are armed; the others and why

BREAKER = Symbol("breaker")  # its lane, in which what it has to say is written
STOP_WITHIN = 2.0  # seconds that lanes have to finish what they do


class Desk:
    """Build with `Desk.open`, which reads the journal, then `start` it."""

    mode = "PAPER"

    def __init__(
        self,
        *,
        book: Book,
        market: Snapshots,
        venue: Venue,
        playbook: Playbook,
        arm: Arm,
        load: Load,
        resumed_at: datetime | None,
        told: frozenset[tuple[str, Symbol]] = frozenset(),
    ) -> None:
        self.book = book
        self.market = market
        self.venue = TimedVenue(venue, clock=book.clock, note=book.timed)
        self.file = playbook  # as it was written
        self._fit: Fit = fitting(playbook, book.state.overrides)
        self.playbook = book.playbook = self._fit.playbook  # as it runs
        self._arm = arm
        self._load = load
        self.panel, self.off = arm(self.playbook)  # off: personas of the playbook that are not armed, and why
        self.followers: list[Callable[[Playbook], None]] = []  # who else has to know when other settings run
        self.resumed_at = resumed_at
        self._told = told
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
        self.waits = Waits(book.state.waits_since or book.clock.now())
        self.faults: dict[str, str] = {}
        self.ended: set[Symbol] = set()
        self.last_decision = ""
        self._decided: dict[Symbol, datetime] = {}
        self._deciding = asyncio.Lock()  # a decision is made under one set of settings, from its first look to its last
        self._thoughts: asyncio.Queue[Decide] = asyncio.Queue()
        self._thinker: asyncio.Task[None] | None = None
        self._journal_down = False
        self._phase = self.phase

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
    ) -> "Desk":
        """A desk with the books it had when its last process ended, or with new ones opened at the venue's balance.

        `playbook` is as its file has it; what people changed of it in the chat is put over it here. `load` finds
        another one by its name, and raises BadPlaybook.
        """
        remembered = await journal.load()
        balance = await venue.balance()
        fresh = DeskState(
            desk=name,
            playbook=playbook.name,
            start_equity=balance.wallet,
            waits_since=clock.now(),
            tags=dict(tags),
        )
        book = Book(journal=journal, clock=clock, state=fresh, playbook=playbook, remembered=remembered)
        desk = cls(
            book=book,
            market=market,
            venue=venue,
            playbook=playbook,
            arm=arm,
            load=load,
            resumed_at=remembered.state.market_at if remembered else None,
            told=remembered.told if remembered else frozenset(),
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
            personas_off=tuple(f"{name}: {why}" for name, why in self.off.items()),
        )
        await self._take_up(started)
        self._thinker = asyncio.create_task(self._think(), name="thinker")

    async def _take_up(self, started: DeskStarted) -> None:
        """Say with the start, once, what is not as the last process left it: another playbook, a setting gone."""
        state, now = self.book.state, self.now()
        changed: dict[str, Any] = {"playbook": self.playbook.name, "overrides": self._fit.overrides}
        events: list[Event] = [started]
        if state.playbook != self.playbook.name:
            kept = tuple(self.book.positions)
            before = state.playbook
            events.append(PlaybookChanged(at=now, by="the start", before=before, after=self.playbook.name, kept=kept))
            changed |= amendment(state, what=f"playbook {before} -> {self.playbook.name}", at=now, by="the start")
        if self._fit.dropped:
            rows = tuple((key, state.overrides[f"{self.file.name}/{key}"], "gone") for key in self._fit.dropped)
            changed["version"] = state.version + 1
            events.append(SettingsChanged(at=now, by="the playbook's file", version=changed["version"], changes=rows))
        if state.phase and not self.playbook.phase_named(state.phase):
            changed["phase"] = None
        await self.book.commit(events, desk=changed)

    async def stop(self, reason: str) -> tuple[Position, ...]:
        """End in order: no new thoughts, lanes done, the journal told. Returns what is left open.

        A request that hangs is not waited for: its intent is journalled, and the next start looks it up.
        """
        if self._thinker:
            self._thinker.cancel()
            await asyncio.gather(self._thinker, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN):
                await self.lanes.settle()
        await self.lanes.close()
        left = tuple(self.book.positions.values())
        await self.book.commit([DeskStopped(at=self.now(), reason=reason, left_open=left)], exit=True)
        return left

    async def settle(self) -> None:
        """Until everything that was started is done: what a replayed market waits for between two moments."""
        while True:
            await self.lanes.settle()
            await self._thoughts.join()
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
            self.lanes.post(quote.symbol, lambda: self.watch.on_quote(quote))
        if self.shadowing.on(quote.symbol) is not None:
            self.lanes.post(quote.symbol, lambda: self.shadowing.on_quote(quote))

    def watches(self, symbol: Symbol) -> bool:
        """Whether a quote of this instrument matters to anything that is open."""
        return self.book.on(symbol) is not None or self.shadowing.on(symbol) is not None

    def on_time(self) -> None:
        """Time has passed: look after ourselves first, then again at whatever is unfinished."""
        self._look()
        for symbol in sorted(self.book.taken()):
            if self.execution.needs_attention(symbol):
                self.lanes.post(symbol, lambda s=symbol: self.execution.attend(s))  # type: ignore[misc]

    async def on_gap(self, gap: DataGap) -> None:
        if not self._was_told(gap, gap.symbol):
            await self.book.commit([gap], exit=True)

    async def on_data_ended(self, symbol: Symbol) -> None:
        """No bar will come any more: nothing new is opened, what is open is settled at the last price."""
        if symbol in self.ended:
            return
        self.ended.add(symbol)
        end = DataEnded(at=self.now(), symbol=symbol)
        if not self._was_told(end, symbol):
            await self.book.commit([end], exit=True)
        position = self.book.on(symbol)
        if position is not None:
            note = "its data ends here"
            self.lanes.post(symbol, lambda: self.execution.close(position, ExitReason.END_OF_DATA, note))
        self.lanes.post(symbol, lambda: self.shadowing.end(symbol))

    def _look(self) -> None:
        """Step the breaker: what it comes to holds at once, and is written as soon as may be."""
        if self.sentry.look():
            self.lanes.post(BREAKER, lambda: self.book.commit([], exit=True, idle=True))
        closes = self.sentry.closes()
        if closes is not None:
            for position in self.book.positions.values():
                if position.closing is None:
                    self.lanes.post(position.symbol, lambda i=position.id: self._close_now(i, *closes))  # type: ignore[misc]

    async def _close_now(self, position_id: PositionId, reason: ExitReason, note: str) -> None:
        """Close what is open of it when its lane comes to it: a fill may have come in between."""
        position = self.book.positions.get(position_id)
        if position is not None:
            await self.execution.close(position, reason, note)

    def _was_told(self, event: Event, symbol: Symbol) -> bool:
        """Whether the last process told it: the moment in which it ended may be played again."""
        again = self.resumed_at is not None and event.at <= self.resumed_at
        return again and (type(event).__name__, symbol) in self._told

    def _on_closed(self, symbol: Symbol) -> None:
        if self.playbook.schedule.look_again and symbol not in self.ended:
            self._thoughts.put_nowait(Decide(symbols=(symbol,), trigger="after close"))

    def _on_fault(self, symbol: Symbol, error: Exception) -> None:
        """Say an inner error once per place; entries stay frozen, because the books may not be what they seem."""
        detail = f"{type(error).__name__}: {error}"
        if symbol in self.faults:
            return
        self.faults[symbol] = detail
        event = DeskFaulted(at=self.now(), where=symbol, detail=detail)
        self.lanes.post(symbol, lambda: self.book.commit([event], exit=True))

    # --- thinking -----------------------------------------------------------------------------------------------

    async def _think(self) -> None:
        """One round of decisions at a time. The lanes never wait for it."""
        while True:
            thought = await self._thoughts.get()
            try:
                async with self._deciding:
                    await self._decide(thought)
            except Exception as error:  # the thinker outlives any one thought; it is said, and frozen
                log.exception("deciding")
                self._on_fault(Symbol("cycle"), error)
            finally:
                self._thoughts.task_done()

    async def _decide(self, thought: Decide) -> None:
        now = self.now()
        if thought.trigger == SCHEDULED:
            self.sentry.count_round()
        self._look()
        symbols = [s for s in thought.symbols if s not in self.ended and self._decided.get(s) != now]
        try:
            made = await self.cycle.run(symbols, thought.trigger, phase=self.phase, frozen=lambda: self.frozen)
        except JournalUnwritable as error:
            if not self._journal_down:
                log.error("entries are frozen: %s", error)
            self._journal_down = True
            self._look()
            return
        self._journal_down = False
        for decision in made.decisions:
            self._decided[decision.symbol] = now
            self.waits.add(decision)
            self.last_decision = f"{decision.id} {decision.outcome} {shown(decision.verdict.confidence)}"
        for entry in made.entries:
            self.lanes.post(entry.symbol, lambda o=entry: self._enter(o), urgent=False)  # type: ignore[misc]

    async def _enter(self, order: Order) -> None:
        """Send an entry unless the world has changed since it was approved."""
        if self.book.orders.get(order.client_id) != order:
            return  # it was looked up in the meantime, not found, and given up
        self._look()
        level = in_force(self.book.state.breaker, self.now())
        if self.book.state.trading is TradingState.HALTED:
            await self.execution.withdraw(order, "halted before it was sent")
        elif level >= Level.HALT:
            await self.execution.withdraw(order, f"the breaker went to {level.name} before it was sent")
        else:
            await self.execution.send(order)

    # --- obeying ------------------------------------------------------------------------------------------------

    async def obey(self, command: Command) -> str:
        """Carry out a command and say in one sentence what was done. Raises Misuse with the reason when it cannot."""
        match command:
            case Halt():
                return await self._halt(command)
            case Resume():
                return await self._resume(command)
            case ClosePosition():
                return await self._close(command)
            case SetPhase():
                return await self._set_phase(command)
            case Decide():
                self._thoughts.put_nowait(command)
                return "looking"
            case SumWaits():
                await self._sum_waits()
                return "summed"
            case Sweep():
                await self._sweep()
                return "swept"
            case AmendPhase() | Undo() | UsePlaybook():
                return await self._change(command)
            case AddShadow() | RemoveShadow():
                raise Misuse("Shadow desks stand beside the live desk only.")
            case ResetBreaker():
                return await self._minded(self.sentry.reset(command.by))
            case OverrideBreaker():
                return await self._minded(self.sentry.override(command.level, command.lasts, by=command.by))

    async def _halt(self, command: Halt) -> str:
        if self.book.state.trading is TradingState.HALTED:
            return f"Already halted by {self.book.state.halted_by}."
        event = TradingHalted(at=self.now(), by=command.by, reason=command.reason)
        changed = {
            "trading": TradingState.HALTED,
            "halted_by": command.by,
            "halt_reason": command.reason,
            "halted_at": self.now(),
        }
        await self.book.commit([event], desk=changed, exit=True)
        return "No new entries. Exits and protection go on."

    async def _resume(self, command: Resume) -> str:
        state = self.book.state
        if state.trading is TradingState.ACTIVE:
            raise Misuse("Trading is not halted.")
        event = TradingResumed(at=self.now(), by=command.by, halted_by=state.halted_by, halt_reason=state.halt_reason)
        changed = {"trading": TradingState.ACTIVE, "halted_by": "", "halt_reason": "", "halted_at": None}
        await self.book.commit([event], desk=changed)
        return "Entries are allowed again."

    async def _close(self, command: ClosePosition) -> str:
        position = self.book.positions.get(command.position_id)
        if position is None:
            raise Misuse(f"There is no open position {command.position_id}.")
        if position.closing is not None:
            return f"{command.position_id} is being closed already: {position.closing.value}."

        note = f"by {command.by}"
        await self.lanes.run(position.symbol, lambda: self._close_now(position.id, ExitReason.MANUAL, note))
        return f"Closing {base_of(position.symbol)} {position.direction.value} {position.quantity:f} at market."

    async def _minded(self, said: str) -> str:
        """What a person has done about the breaker holds at once, and is written."""
        self._look()
        await self.book.commit([], exit=True)
        return said

    async def _set_phase(self, command: SetPhase) -> str:
        names = [p.name for p in self.playbook.phases]
        if command.phase is not None and command.phase not in names:
            raise Misuse(f"There is no phase {command.phase!r}; known: {', '.join(names) or 'none'}.")
        state, before = self.book.state, self._phase_name()
        if command.phase != state.phase:
            what = f"phase {state.phase or 'by its dates'} -> {command.phase or 'by its dates'}"
            undoable = amendment(state, what=what, at=self.now(), by=command.by)
            await self.book.commit([], desk={"phase": command.phase, **undoable})
        await self._tell_phase(before, command.by)
        return f"Phase: {self._phase_name()}."

    def changes(self, command: AmendPhase | Undo | UsePlaybook) -> tuple[Row, ...]:
        """What a command would change: (setting, before, after). Raises Misuse with the reason when it cannot be."""
        return self._worked_out(command).rows

    def _worked_out(self, command: AmendPhase | Undo | UsePlaybook) -> Change:
        state = self.book.state
        change = work_out(command, state=state, file=self.file, running=self.playbook, load=self._load)
        if not self._missing(change.playbook) < set(change.playbook.universe):
            raise Misuse(f"This market has no instrument of {change.playbook.name}.")
        return change

    def _missing(self, playbook: Playbook) -> set[str]:
        """Bases of a playbook that this market does not have."""
        return set(playbook.universe) - {i.base for i in self.market.instruments().values()}

    async def _change(self, command: AmendPhase | Undo | UsePlaybook) -> str:
        async with self._deciding:
            change = self._worked_out(command)
            state, now, before, by = self.book.state, self.now(), self._phase_name(), command.by
            kept = tuple(self.book.positions)
            events = told_of(change, state, at=now, by=by, kept=kept)
            await self.book.commit(events, desk=state_after(change, state, at=now, by=by))
            self._take(change)
        await self._tell_phase(before, by)
        return self._said(change, before=state.playbook)

    def _take(self, change: Change) -> None:
        """Run by these settings from now on. Open positions keep the exits they were opened with."""
        self.file, self.playbook = change.file, change.playbook
        self.book.playbook = self.playbook
        self.panel, self.off = self._arm(self.playbook)
        self.watch.every = self.playbook.schedule.watch_every
        self.cycle.use(self.playbook, self.panel)
        self.watch.outlooks = self.cycle.outlooks
        for follow in self.followers:
            follow(self.playbook)

    def _said(self, change: Change, *, before: str) -> str:
        said = [f"{change.what[0].upper()}{change.what[1:]} (settings version {self.book.state.version})."]
        positions = [f"{base_of(p.symbol)} {p.direction.value} {p.id}" for p in self.book.positions.values()]
        if before != self.playbook.name:
            if positions:
                said.append(f"Open positions keep the exits they were opened with: {', '.join(positions)}.")
            if missing := self._missing(self.playbook):
                said.append(f"This market has no {', '.join(sorted(missing))}.")
        if change.dropped:
            said.append(f"No longer in its file, so gone: {', '.join(change.dropped)}.")
        return " ".join(said)

    async def _tell_phase(self, before: str, by: str) -> None:
        after = self._phase_name()
        self._phase = self.phase
        if before != after:
            await self.book.commit([PhaseChanged(at=self.now(), by=by, before=before, after=after)], exit=True)

    async def _sum_waits(self) -> None:
        event = self.waits.take(self.now())
        rest = self.now() + timedelta(microseconds=1)  # what was decided at this very moment is in this digest
        await self.book.commit([event] if event else [], desk={"waits_since": rest}, exit=True)

    async def _sweep(self) -> None:
        """Reconcile with the venue; a phase that began by its date is noticed here too."""
        await self.lanes.settle()
        await self.reconciler.run()
        if self.book.writable is not None and not self.book.writable.ok:
            await self.book.commit([], exit=True)  # whether it takes anything again
        self.on_time()
        if (self._phase.name if self._phase else "base") != self._phase_name():
            await self._tell_phase(self._phase.name if self._phase else "base", "the playbook's dates")

    async def tell(self, *events: Event) -> None:
        """Journal what the surface did: its audit is part of the same record."""
        await self.book.commit(events, exit=True)

    # --- showing ------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.book.clock.now()

    @property
    def phase(self) -> Phase | None:
        """Chosen by hand, or by the playbook's dates; None: the base settings."""
        chosen = self.book.state.phase
        return self.playbook.phase_named(chosen) if chosen else self.playbook.phase_at(self.now())

    def _phase_name(self) -> str:
        phase = self.phase
        return phase.name if phase else "base"

    @property
    def frozen(self) -> str:
        """Why entries are frozen although nobody halted them; "" when they are not."""
        if self.faults:
            return "; ".join(f"inner error on {where}: {what}" for where, what in self.faults.items())
        if self.book.unwritten:
            return "the journal cannot be written"
        return self.reconciler.frozen

    def status(self) -> DeskStatus:
        return status_of(
            self.book,
            market=self.market,
            mode=self.mode,
            playbook=self.playbook.name,
            phase=self._phase_name(),
            frozen=self.frozen,
            last_decision=self.last_decision,
            balance=self.reconciler.balance,
            capabilities=self._capabilities(),
        )

    def _capabilities(self) -> tuple[Capability, ...]:
        return (
            capability("journal", "not writable; entries frozen" if self._journal_down or self.book.unwritten else ""),
            capability(f"venue {self.venue.name}", self.reconciler.frozen, self.reconciler.lost_at),
            capability("protection", not_guarded(self.book)),
            capability("desk", "; ".join(f"{where}: {what}" for where, what in self.faults.items())),
            *(Capability(name=f"persona {name}", state=Armed.ARMED) for name in self.panel),
            *(Capability(name=f"persona {name}", state=Armed.OFF, why=why) for name, why in self.off.items()),
            capability("market data", ended_words(self.ended)),
        )
