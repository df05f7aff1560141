"""The catalogue of commands, and what a command may reach."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.render.views import DecisionLine
from bot.render.words import RenderContext, card
from bot.routing import Routing
from bot.surface import Button, Card, Identity, Role
from storage.confirmations import Refused, Taken
from trading.decision import Decision
from trading.errors import Misuse
from trading.messages import AmendPhase, Command, Event, Undo, UsePlaybook
from trading.model import Symbol, Trade
from trading.playbook import Playbook
from trading.status import DeskStatus, ExposureView, MarketView, RegimeLine, ShadowDeskView

CONFIRM_FOR = timedelta(seconds=120)


# --- what a command may reach -------------------------------------------------------------------------------------


class DeskPort(Protocol):
    """The desk, as far as the surface goes."""

    @property
    def playbook(self) -> Playbook:
        """The one that runs, with what was changed of it."""
        ...

    def status(self) -> DeskStatus: ...

    def now(self) -> datetime:
        """Market time."""
        ...

    def market(self, symbol: Symbol) -> MarketView:
        """Raises Misuse where there is no fresh bar."""
        ...

    def regimes(self) -> tuple[RegimeLine, ...]: ...

    def exposure(self) -> ExposureView: ...

    async def shadows(self) -> tuple[ShadowDeskView, ...]: ...

    def changes(self, command: AmendPhase | Undo | UsePlaybook) -> tuple[tuple[str, str, str], ...]:
        """What a command would change, without doing it: (setting, before, after). Raises Misuse with the reason,
        a schema's own words for a value that is out of range."""
        ...

    async def obey(self, command: Command) -> str:
        """One plain sentence of what was done. Raises Misuse with a plain reason when refused."""
        ...

    async def tell(self, *events: Event) -> None:
        """Journal events of the surface. Raises JournalUnwritable."""
        ...


class Records(Protocol):
    """Read-only views of the journal. An id may be a prefix; LookupError when it fits more than one."""

    async def decision(self, id_or_prefix: str) -> Decision | None: ...

    async def decisions(
        self, n: int, symbol: str | None = None, outcomes: Sequence[str] | None = None
    ) -> Sequence[DecisionLine]:
        """Newest first."""
        ...

    async def trades(self, n: int, since: datetime | None = None, until: datetime | None = None) -> Sequence[Trade]:
        """Newest first, by time of closing."""
        ...

    async def story(self, decision_id: str) -> Sequence[Event]:
        """What happened to a decision, oldest first."""
        ...

    async def journal_size(self) -> int: ...


class Confirmations(Protocol):
    """Pending confirmations, in the database: each for one person, for a short time, used once."""

    async def ask(self, *, owner: str, place: str, command: str, summary: str, ttl: timedelta) -> str: ...

    async def take(self, token: str, who: str) -> Taken | Refused: ...

    async def cancel(self, token: str, who: str) -> Taken | Refused: ...


class Preferences(Protocol):
    """Alert preferences in the database."""

    async def put(self, destination: str, kind: str, mode: str) -> None: ...


class Shelf(Protocol):
    """The playbooks that can be named."""

    def names(self) -> tuple[str, ...]: ...

    def load(self, name: str) -> Playbook:
        """Raises BadPlaybook, which names each fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """All that commands work with; wired once."""

    desk: DeskPort
    records: Records
    confirmations: Confirmations
    preferences: Preferences
    routing: Routing
    library: Shelf
    about: RenderContext
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One command being run."""

    tools: Tools
    who: Identity
    role: Role
    place: str
    confirmed: bool = False  # the person has tapped Confirm

    @property
    def desk(self) -> DeskPort:
        return self.tools.desk

    @property
    def records(self) -> Records:
        return self.tools.records

    @property
    def library(self) -> Shelf:
        return self.tools.library

    @property
    def by(self) -> str:
        """For events and cards: the id is the authority, the name is what its owner calls himself."""
        return f"{self.who.name[:24]} ({self.who.key})" if self.who.name else self.who.key

    def need(self, least: Role, what: str) -> None:
        """Raises Misuse where the person's role is under `least`; `what` begins the sentence."""
        if self.role < least:
            raise Misuse(f"{what} is for {least.name.lower()}s, you are {_a_role(self.role)}")

    async def ask(self, command: str, title: str, *lines: str, detail: Iterable[str] = ()) -> Card:
        """Ask for one confirmation of `command`, which is then run as if typed, with `confirmed` set."""
        token = await self.tools.confirmations.ask(
            owner=self.who.key, place=self.place, command=command, summary=title, ttl=CONFIRM_FOR
        )
        seconds = int(CONFIRM_FOR.total_seconds())
        buttons = Button(label="Confirm", data=f"cf:{token}"), Button(label="Cancel", data=f"no:{token}")
        only_you = f"Only you can confirm, once, within {seconds} s."
        return card(title, *lines, only_you, detail=detail, buttons=buttons)


def _a_role(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role.name.lower()}"


# --- the catalogue ------------------------------------------------------------------------------------------------


class BadArguments(Exception):
    """The words after a command do not fit its usage; the message says which."""


Handler = Callable[[Context, str], Awaitable[Card]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command, for every chat."""

    name: str
    help: str
    usage: str
    role: Role
    example: str
    run: Handler


COMMANDS: dict[str, Entry] = {}


def command(name: str, *, help: str, usage: str, role: Role, example: str) -> Callable[[Handler], Handler]:
    """Put an async function into the catalogue. A name can stand in it once."""

    def register(run: Handler) -> Handler:
        if name in COMMANDS:
            raise ValueError(f"/{name} is in the catalogue already")
        COMMANDS[name] = Entry(name=name, help=help, usage=usage, role=role, example=example, run=run)
        return run

    return register


def nearest(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None
