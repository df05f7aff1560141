"""What a desk runs on: its playbook with what people changed of it, the panel, the phase. They change here only."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from trading.bench import Bench
from trading.book import Book
from trading.errors import Misuse
from trading.events import DeskStarted, PhaseChanged
from trading.market.snapshot import Snapshots
from trading.personas.panel import Persona
from trading.playbook import Phase, Playbook
from trading.settings import (
    Alter,
    Change,
    Fit,
    Load,
    fitting,
    found_at_start,
    phase_name,
    phase_on,
    state_after,
    told_of,
    work_out,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Who speaks for a playbook in this process."""

    personas: Mapping[str, Persona]  # those that are armed
    off: Mapping[str, str]  # the others, and why
    bench: Bench | None = None  # models that are asked about a verdict; None: the votes decide alone

    @property
    def instant(self) -> bool:
        """Nobody on it waits for anything."""
        return self.bench is None and all(persona.instant for persona in self.personas.values())


Arm = Callable[[Playbook], Panel]


class Running:
    """`file` is the playbook as it was written, `playbook` as it runs, `panel` who speaks for it.

    Who holds `steady` keeps everything here as it is: a decision is made under one set of settings, from its first look
    to its last. `followers` are told when another playbook, or the same with other values, has come to run.
    """

    def __init__(self, *, book: Book, market: Snapshots, file: Playbook, arm: Arm, load: Load) -> None:
        self.book = book
        self.market = market
        self._arm = arm
        self._load = load
        self._fit: Fit = fitting(file, book.state.overrides)
        self.file = file
        self.playbook = book.playbook = self._fit.playbook
        self.panel = arm(self.playbook)
        self.steady = asyncio.Lock()
        self.followers: list[Callable[[Playbook], None]] = []
        self._said = self.phase_name  # the phase that the chats know of

    @property
    def phase(self) -> Phase | None:
        return phase_on(self.playbook, self.book.state.phase, self._now)

    @property
    def phase_name(self) -> str:
        return phase_name(self.playbook, self.book.state.phase, self._now)

    def missing(self, playbook: Playbook) -> set[str]:
        """Bases of a playbook that this market does not have."""
        return set(playbook.universe) - {i.base for i in self.market.instruments().values()}

    # --- changing -----------------------------------------------------------------------------------------------

    async def take_up(self, started: DeskStarted) -> None:
        """Say with the start, once, what is not as the last process left it."""
        kept = tuple(self.book.positions)
        events, changed = found_at_start(self._fit, self.book.state, at=self._now, kept=kept)
        await self.book.commit([replace(started, settings=self.playbook.text), *events], desk=changed)
        self._said = self.phase_name

    def worked_out(self, command: Alter) -> Change:
        """Raises Misuse with the reason when it cannot be."""
        state = self.book.state
        change = work_out(command, state=state, file=self.file, running=self.playbook, load=self._load)
        quotes = {symbol.partition(":")[2] for symbol in self.market.instruments()}
        if change.playbook.quote not in quotes:
            raise Misuse(f"This market trades in {', '.join(sorted(quotes))}, not in {change.playbook.quote}.")
        if not self.missing(change.playbook) < set(change.playbook.universe):
            raise Misuse(f"This market has no instrument of {change.playbook.name}.")
        return change

    async def take(self, change: Change, *, by: str) -> None:
        """Run by these settings from now on. Raises JournalUnwritable, or what arming raises: then nothing changed."""
        panel = self._arm(change.playbook)
        state, now, kept = self.book.state, self._now, tuple(self.book.positions)
        events = told_of(change, state, at=now, by=by, kept=kept)
        await self.book.commit(events, desk=state_after(change, state, at=now, by=by))
        self.file, self.playbook = change.file, change.playbook
        self.panel = panel
        self.book.playbook = self.playbook
        for follow in self.followers:
            follow(self.playbook)

    async def tell_phase(self, by: str) -> None:
        """Say that another phase is on than was said last."""
        before, after = self._said, self.phase_name
        self._said = after
        if before != after:
            await self.book.commit([PhaseChanged(at=self._now, by=by, before=before, after=after)], exit=True)

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()
