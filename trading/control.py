"""What people tell the desk to do, each carried out and answered in one sentence."""

import asyncio
from collections.abc import Callable, Sequence

from trading.book import Book
from trading.by_hand import ByHand
from trading.errors import Misuse
from trading.events import Event, Flattened, PairLocked, PairUnlocked, TradingHalted, TradingResumed
from trading.execution import Execution
from trading.lanes import Lanes
from trading.locks import in_force, locked, unlocked, words
from trading.messages import (
    AcceptWallet,
    AddShadow,
    Amend,
    AmendPhase,
    ArmLive,
    ClosePosition,
    DisarmLive,
    EndOverride,
    EnterPair,
    Flatten,
    Halt,
    Instruction,
    LockPair,
    OverrideBreaker,
    RemoveShadow,
    ResetBreaker,
    Resume,
    SetPhase,
    Undo,
    UnlockPair,
    UsePlaybook,
)
from trading.model import Leg, Position, Symbol, TradingState, base_of
from trading.playbook import Playbook
from trading.real_money import RealMoney
from trading.running import Running
from trading.sentry import Sentry
from trading.settings import BY_DATES, Alter, Change, amendment, require_phase
from trading.thinking import Thinking

FLATTENED = "flattened"  # why it is halted


class Control:
    """Two people who change the same thing do so one after the other, each from what the other has left.

    `look`: steps the breaker, and sees to what follows from that.
    """

    def __init__(
        self,
        *,
        book: Book,
        running: Running,
        sentry: Sentry,
        execution: Execution,
        lanes: Lanes,
        thinking: Thinking,
        money: RealMoney,
        look: Callable[[], None],
    ) -> None:
        self.book = book
        self.running = running
        self.sentry = sentry
        self.execution = execution
        self.lanes = lanes
        self.thinking = thinking
        self.money = money
        self.by_hand = ByHand(book=book, market=running.market, execution=execution, lanes=lanes)
        self._look = look
        self._turn = asyncio.Lock()  # held for a few writes, never while anything is thought about

    async def obey(self, command: Instruction) -> str:
        """Say what was done. Raises Misuse with the reason when it cannot be."""
        match command:
            case Halt():
                return await self._halt(command)
            case Resume():
                return await self._resume(command)
            case ClosePosition():
                return await self.by_hand.close(command)
            case Flatten():
                return await self._flatten(command)
            case EnterPair():
                return await self.thinking.by_hand(command)
            case LockPair():
                return await self._lock(command)
            case UnlockPair():
                return await self._unlock(command)
            case SetPhase():
                return await self._set_phase(command)
            case Amend() | AmendPhase() | Undo() | UsePlaybook():
                return await self._change(command)
            case AddShadow() | RemoveShadow():
                raise Misuse("Shadow desks stand beside the live desk only.")
            case ResetBreaker():
                return await self._minded(self.sentry.reset(command.by))
            case OverrideBreaker():
                return await self._minded(self.sentry.override(command.level, command.lasts, by=command.by))
            case EndOverride():
                return await self._minded(self.sentry.end_override(command.by))
            case ArmLive() | DisarmLive() | AcceptWallet():
                return await self._about_money(command)

    # --- trading ------------------------------------------------------------------------------------------------

    async def _halt(self, command: Halt) -> str:
        async with self._turn:
            state, now = self.book.state, self.book.clock.now()
            if state.trading is TradingState.HALTED:
                return f"Already halted by {state.halted_by}."
            event = TradingHalted(at=now, by=command.by, reason=command.reason)
            changed = {"halted_by": command.by, "halt_reason": command.reason, "halted_at": now}
            await self.book.commit([event], desk={"trading": TradingState.HALTED, **changed}, exit=True)
        return "No new entries. Exits and protection go on."

    async def _resume(self, command: Resume) -> str:
        async with self._turn:
            state, now = self.book.state, self.book.clock.now()
            if state.trading is TradingState.ACTIVE:
                raise Misuse("Trading is not halted.")
            event = TradingResumed(at=now, by=command.by, halted_by=state.halted_by, halt_reason=state.halt_reason)
            changed = {"halted_by": "", "halt_reason": "", "halted_at": None, "flattened_at": None}
            await self.book.commit([event], desk={"trading": TradingState.ACTIVE, **changed})
        return "Entries are allowed again."

    async def _flatten(self, command: Flatten) -> str:
        """Until somebody resumes, whatever is open is closed: what an entry that is on its way still brings, too, and
        what a restart finds. The lanes are not waited for.
        """
        async with self._turn:
            state, now = self.book.state, self.book.clock.now()
            positions, entries = tuple(self.book.positions.values()), self.book.entries()
            told = Flattened(at=now, by=command.by, positions=tuple(p.id for p in positions), withdrawn=len(entries))
            events: list[Event] = [told]
            if state.trading is TradingState.ACTIVE:
                events.insert(0, TradingHalted(at=now, by=command.by, reason=FLATTENED))
            changed = {"halted_by": command.by, "halt_reason": FLATTENED, "halted_at": now, "flattened_at": now}
            await self.book.commit(events, desk={"trading": TradingState.HALTED, **changed}, exit=True)
        self._look()  # closes them, see Sentry.closes
        for symbol in sorted({o.symbol for o in self.book.orders.values() if o.leg is Leg.ENTRY}):
            # Behind the entries that were not sent yet: these are withdrawn when their turn comes.
            self.lanes.post(symbol, lambda s=symbol: self.execution.recall(s), urgent=False)  # type: ignore[misc]
        return f"Halted. {_closing(positions)} {_withdrawing(len(entries))}".rstrip()

    # --- locks --------------------------------------------------------------------------------------------------

    async def _lock(self, command: LockPair) -> str:
        self._require_listed(command.symbol)
        async with self._turn:
            now = self.book.clock.now()
            made, locks = locked(self.book.state.locks, command, now)
            told = PairLocked(
                at=now,
                symbol=made.symbol,
                direction=made.direction,
                until=made.until,
                by=made.by,
                reason=made.reason,
            )
            await self.book.commit([told], desk={"locks": locks}, exit=True)
        return f"{base_of(made.symbol)} is {words(made)}. Exits and protection go on."

    async def _unlock(self, command: UnlockPair) -> str:
        self._require_listed(command.symbol)
        async with self._turn:
            now = self.book.clock.now()
            locks = unlocked(self.book.state.locks, command.symbol, now)
            told = PairUnlocked(at=now, symbol=command.symbol, by=command.by)
            await self.book.commit([told], desk={"locks": locks})
        return f"{base_of(command.symbol)} may be entered again."

    def forget_locks(self) -> None:
        """Those whose time is over."""
        locks = self.book.state.locks
        standing = in_force(locks, self.book.clock.now())
        if len(standing) < len(locks):
            self.book.note(locks=standing)

    def _require_listed(self, symbol: Symbol) -> None:
        if symbol not in self.running.market.instruments():
            raise Misuse(f"This market has no {base_of(symbol)}.")

    # --- the circuit breaker ------------------------------------------------------------------------------------

    async def _minded(self, said: str) -> str:
        """What a person has done about the breaker holds at once, and is written."""
        self._look()
        await self.book.commit([], exit=True)
        return said

    # --- real money ---------------------------------------------------------------------------------------------

    async def _about_money(self, command: ArmLive | DisarmLive | AcceptWallet) -> str:
        async with self._turn:
            match command:
                case ArmLive():
                    said = await self.money.arm(command)
                case DisarmLive():
                    said = await self.money.disarm(command)
                case AcceptWallet():
                    said = await self.money.accept(command)
        self._look()
        return said

    # --- settings -----------------------------------------------------------------------------------------------

    async def _set_phase(self, command: SetPhase) -> str:
        async with self._turn:
            if command.phase is not None:
                require_phase(command.phase, self.running.playbook)
            await self.running.tell_phase(BY_DATES)  # what its date has brought is not this person's doing
            state, now = self.book.state, self.book.clock.now()
            if command.phase != state.phase:
                what = f"phase {state.phase or 'by its dates'} -> {command.phase or 'by its dates'}"
                undoable = amendment(state, what=what, at=now, by=command.by)
                await self.book.commit([], desk={"phase": command.phase, **undoable})
            await self.running.tell_phase(command.by)
        return f"Phase: {self.running.phase_name}."

    async def _change(self, command: Alter) -> str:
        """A round that is being thought about ends first. Nobody else's turn waits for that."""
        async with self.running.steady, self._turn:
            await self.running.tell_phase(BY_DATES)
            change, before = self.running.worked_out(command), self.running.playbook
            await self.running.take(change, by=command.by)
            await self.running.tell_phase(command.by)
            return self._said(change, before=before)

    def _said(self, change: Change, *, before: Playbook) -> str:
        after = change.playbook
        said = [f"{change.what[0].upper()}{change.what[1:]} (settings version {self.book.state.version})."]
        positions = [f"{base_of(p.symbol)} {p.direction.value} {p.id}" for p in self.book.positions.values()]
        if before.name != after.name and positions:
            said.append(f"Open positions keep the exits they were opened with: {', '.join(positions)}.")
        if (before.name, before.universe) != (after.name, after.universe) and (missing := self.running.missing(after)):
            said.append(f"This market has no {', '.join(sorted(missing))}.")
        if change.dropped:
            said.append(f"No longer in its file, so gone: {', '.join(change.dropped)}.")
        return " ".join(said)


def _closing(positions: Sequence[Position]) -> str:
    if not positions:
        return "Nothing is open."
    what = ", ".join(f"{base_of(p.symbol)} {p.direction.value} {p.quantity:,f}" for p in positions)
    return f"Closing {len(positions)} {'position' if len(positions) == 1 else 'positions'} at market: {what}."


def _withdrawing(entries: int) -> str:
    if not entries:
        return ""
    what = "1 entry on its way is" if entries == 1 else f"{entries} entries on their way are"
    return f"{what} withdrawn, or closed where it fills."
