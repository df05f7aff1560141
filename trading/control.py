"""What people tell the desk to do, each carried out and answered in one sentence."""

import asyncio
from collections.abc import Callable

from trading.book import Book
from trading.errors import Misuse
from trading.execution import Execution
from trading.lanes import Lanes
from trading.messages import (
    AddShadow,
    AmendPhase,
    ClosePosition,
    Halt,
    Instruction,
    OverrideBreaker,
    RemoveShadow,
    ResetBreaker,
    Resume,
    SetPhase,
    TradingHalted,
    TradingResumed,
    Undo,
    UsePlaybook,
)
from trading.model import ExitReason, TradingState, base_of
from trading.running import Running
from trading.sentry import Sentry
from trading.settings import BY_DATES, Change, amendment, require_phase


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
        look: Callable[[], None],
    ) -> None:
        self.book = book
        self.running = running
        self.sentry = sentry
        self.execution = execution
        self.lanes = lanes
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
                return await self._close(command)
            case SetPhase():
                return await self._set_phase(command)
            case AmendPhase() | Undo() | UsePlaybook():
                return await self._change(command)
            case AddShadow() | RemoveShadow():
                raise Misuse("Shadow desks stand beside the live desk only.")
            case ResetBreaker():
                return await self._minded(self.sentry.reset(command.by))
            case OverrideBreaker():
                return await self._minded(self.sentry.override(command.level, command.lasts, by=command.by))

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
            changed = {"halted_by": "", "halt_reason": "", "halted_at": None}
            await self.book.commit([event], desk={"trading": TradingState.ACTIVE, **changed})
        return "Entries are allowed again."

    async def _close(self, command: ClosePosition) -> str:
        position = self.book.positions.get(command.position_id)
        if position is None:
            raise Misuse(f"There is no open position {command.position_id}.")
        if position.closing is not None:
            return f"{command.position_id} is being closed already: {position.closing.value}."

        note = f"by {command.by}"
        close = self.execution.close_now
        await self.lanes.run(position.symbol, lambda: close(position.id, ExitReason.MANUAL, note))
        return f"Closing {base_of(position.symbol)} {position.direction.value} {position.quantity:f} at market."

    async def _minded(self, said: str) -> str:
        """What a person has done about the breaker holds at once, and is written."""
        self._look()
        await self.book.commit([], exit=True)
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

    async def _change(self, command: AmendPhase | Undo | UsePlaybook) -> str:
        """A round that is being thought about ends first. Nobody else's turn waits for that."""
        async with self.running.steady, self._turn:
            await self.running.tell_phase(BY_DATES)
            change, before = self.running.worked_out(command), self.running.playbook.name
            await self.running.take(change, by=command.by)
            await self.running.tell_phase(command.by)
            return self._said(change, before=before)

    def _said(self, change: Change, *, before: str) -> str:
        said = [f"{change.what[0].upper()}{change.what[1:]} (settings version {self.book.state.version})."]
        positions = [f"{base_of(p.symbol)} {p.direction.value} {p.id}" for p in self.book.positions.values()]
        if before != change.playbook.name:
            if positions:
                said.append(f"Open positions keep the exits they were opened with: {', '.join(positions)}.")
            if missing := self.running.missing(change.playbook):
                said.append(f"This market has no {', '.join(sorted(missing))}.")
        if change.dropped:
            said.append(f"No longer in its file, so gone: {', '.join(change.dropped)}.")
        return " ".join(said)
