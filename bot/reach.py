"""What a command may reach: the ports of the surface, and the context of one command being run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from bot.asking.growing import Growths
from bot.live_setup import Setup
from bot.render.views import DecisionLine
from bot.render.words import RenderContext, card
from bot.routing import Routing
from bot.surface import CANCEL, CONFIRM, Button, Card, Identity, Role, Style
from storage.confirmations import OpenQuestion, Refused, Taken
from storage.outbox import DeadLetter
from storage.people import Person
from storage.scores import Learned, Score
from storage.tallies import Curve, Tally
from trading.chain import ChainView
from trading.decision import Decision
from trading.errors import Misuse
from trading.events import Event, PlaybookWritten, ShadowDeskChanged
from trading.market.series import Series
from trading.messages import Amend, AmendPhase, Command, Quoted, Undo, UsePlaybook
from trading.model import Fill, Order, Symbol, Trade
from trading.playbook import Playbook
from trading.ports import LanguageModel
from trading.spending import BudgetView
from trading.status import DeskStatus, ExposureView, MarketView, RegimeLine, SettingLine, ShadowDeskView
from trading.venues.exchange.wire import Finding

CONFIRM_FOR = timedelta(seconds=120)


# --- the ports ----------------------------------------------------------------------------------------------------


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

    def candles(self, symbol: Symbol, bars: int) -> Series:
        """The last closed bars, at most so many. Raises Misuse where there are none."""
        ...

    def regimes(self) -> tuple[RegimeLine, ...]: ...

    def exposure(self) -> ExposureView: ...

    def settings(self) -> tuple[SettingLine, ...]:
        """Every setting of the running playbook, in the order of its file."""
        ...

    async def shadows(self) -> tuple[ShadowDeskView, ...]: ...

    def changes(self, command: Amend | AmendPhase | Undo | UsePlaybook) -> tuple[tuple[str, str, str], ...]:
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
        self, n: int, symbol: str | None = None, outcomes: Sequence[str] | None = None, *, skip: int = 0
    ) -> Sequence[DecisionLine]:
        """Newest first."""
        ...

    async def trade(self, id_or_prefix: str) -> Trade | None: ...

    async def trades(
        self, n: int, since: datetime | None = None, until: datetime | None = None, *, skip: int = 0
    ) -> Sequence[Trade]:
        """Newest first, by time of closing."""
        ...

    async def orders_of(self, decision_id: str) -> Sequence[Order]: ...

    async def fills_of(self, decision_id: str) -> Sequence[Fill]: ...

    async def story(self, decision_id: str) -> Sequence[Event]:
        """What happened to a decision, oldest first."""
        ...

    async def audit(self, n: int, *, skip: int = 0) -> Sequence[Event]:
        """Commands, refusals and changes of who may do what; newest first."""
        ...

    async def journal_size(self) -> int: ...

    async def settings_of(self, decision: Decision) -> str | None:
        """The playbook that a decision was made by, as `Playbook.text` has it; None: the journal does not hold it."""
        ...

    async def life_of(self, playbook: str) -> Sequence[PlaybookWritten | ShadowDeskChanged]:
        """That it was made in the chat, and when it came to run in shadow and ended; oldest first."""
        ...


class Figures(Protocol):
    """Running exact sums over closed trades and scored calls: as fast after a hundred thousand trades as after one."""

    async def totals(self, dimension: str, since: datetime | None = None) -> Sequence[Tally]:
        """By "all", "day", "pair", "exit", "playbook" or "persona": one a key, in the order of the keys. `since`: of
        the UTC days from that one on."""
        ...

    async def curve(self, since: datetime | None = None) -> Curve:
        """Equity at the end of each day that closed a trade, and the deepest fall."""
        ...

    async def board(self) -> Sequence[Score]:
        """How right everybody was, by persona and the model that answered."""
        ...

    async def learned(self) -> Learned:
        """What the judge's confidences were worth, and whether other weights are proposed."""
        ...


class Confirmations(Protocol):
    """Questions that wait for one answer, in the database: for a short time, answered once."""

    async def ask(
        self,
        *,
        owner: str,
        place: str,
        command: str,
        summary: str,
        ttl: timedelta,
        code: str = "",
        quoted: Quoted | None = None,
        others: bool = False,
    ) -> str: ...

    async def take(self, token: str, who: str, typed: str = "", *, tapped_in: str = "") -> Taken | Refused:
        """`tapped_in`: the place of the button, whose message the answer takes; "": a code that was typed."""
        ...

    async def cancel(self, token: str, who: str, *, tapped_in: str = "") -> Taken | Refused: ...

    async def open_for(self, who: str) -> Sequence[OpenQuestion]:
        """What `who` may answer now, the newest first."""
        ...

    async def shown(self, token: str, destination: str, reference: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What somebody may do in a place."""

    person: str
    role: Role


class People(Protocol):
    """Who may use the desk. A change holds at once, here and on the next start."""

    def grant(self, who: Identity, place: str) -> Grant | None:
        """His own role; in a group or channel that is listed itself at least that one's, which is a viewer's. None: a
        stranger."""
        ...

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]: ...

    def owner(self, destination: str) -> str:
        """ "person:ann" for somebody's private chat, else the destination itself, without its topic."""
        ...

    def all(self) -> tuple[Person, ...]:
        """By name."""
        ...

    def named(self, word: str) -> Person | None:
        """By id, name or one of the accounts."""
        ...

    async def add(self, key: str, role: Role, *, name: str, by: str) -> Person:
        """`key`: "telegram:7", "discord:9", or a group's or channel's. Raises Misuse with the reason."""
        ...

    async def change_role(self, person: str, role: Role) -> Person: ...

    async def remove(self, person: str) -> Person: ...

    async def link(self, person: str, key: str) -> Person:
        """One more account of the same person; one that stood alone becomes his."""
        ...

    async def unlink(self, key: str) -> Person: ...


class Preferences(Protocol):
    """What each destination is told: kinds of alerts, whether at all, and where its streams go."""

    async def put(self, destination: str, kind: str, mode: str) -> None: ...

    async def put_destination(self, destination: str, *, active: bool, by: str) -> None: ...

    async def put_stream(self, destination: str, stream: str, goes_to: str, *, by: str) -> None:
        """`goes_to` "": back to the destination itself."""
        ...


class Wishes(Protocol):
    """How each person, or shared place, wants to be told. See bot/wishes.py."""

    def get(self, owner: str, wish: str) -> str:
        """As it was set; "" where it was not."""
        ...

    async def put(self, owner: str, wish: str, value: str, *, by: str) -> str:
        """Returns what it was before. Raises Misuse for a value that cannot be."""
        ...

    def zone(self, owner: str) -> tzinfo: ...

    def dark(self, owner: str) -> bool: ...


class Mail(Protocol):
    """How the messages to the chats stand."""

    async def dead(self, n: int) -> Sequence[DeadLetter]:
        """Messages that a destination refused for good, newest first."""
        ...


class Shelf(Protocol):
    """The playbooks that can be named."""

    def names(self) -> tuple[str, ...]: ...

    def load(self, name: str) -> Playbook:
        """Raises BadPlaybook, which names each fault."""
        ...

    def write(self, name: str, text: str) -> Playbook:
        """A new file in the data directory's own folder. Raises BadPlaybook; then nothing was written."""
        ...


class LogTail(Protocol):
    def last(self, n: int) -> Sequence[str]:
        """The newest lines of this process's log, secrets masked, oldest first."""
        ...


class Voices(Protocol):
    """Models and the chain reader of this process."""

    @property
    def model(self) -> LanguageModel: ...

    @property
    def words(self) -> str:
        """The model that phrases and writes, by its name in models.toml; "" where there is none."""
        ...

    @property
    def wordless(self) -> str:
        """Why there is none; "" where there is."""
        ...

    async def budget(self) -> BudgetView: ...

    def chain(self) -> ChainView: ...

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        """Raw bodies of exchanges that are still kept, by their hash."""
        ...


class Doctor(Protocol):
    """The self-check, see bot/doctor.py."""

    async def look(self) -> tuple[Finding, ...]:
        """Look at everything now. Bounded in time; never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """All that commands work with; wired once."""

    desk: DeskPort
    records: Records
    figures: Figures
    confirmations: Confirmations
    people: People
    preferences: Preferences
    wishes: Wishes
    mail: Mail
    routing: Routing
    library: Shelf
    log: LogTail
    voices: Voices
    about: RenderContext
    version: str
    growths: Growths = field(default_factory=Growths)
    doctor: Doctor | None = None  # None: in a process that has none
    setup: Setup = field(default_factory=Setup)


# --- one command --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One command being run."""

    tools: Tools
    who: Identity
    person: str  # his id in the directory: the same on every platform
    role: Role
    place: str
    private: bool = True
    confirmed: bool = False  # the person has answered yes
    quoted: Quoted | None = None  # with `confirmed`: what he was shown
    asked_by: str = ""  # with `confirmed`: the person who asked, where `person` is the second one to say yes
    at: datetime | None = None  # wall time of the request
    typed: str = field(default="")  # the whole line

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

    @property
    def owner(self) -> str:
        """Whose wishes hold here: the person's in his private chat, the place's where others read too."""
        return f"person:{self.person}" if self.private else self.place

    @property
    def about(self) -> RenderContext:
        """How cards are dressed here, with the time zone of whoever reads them."""
        about = self.tools.about
        return RenderContext(mode=about.mode, market=about.market, zone=self.tools.wishes.zone(self.owner))

    def need(self, least: Role, what: str) -> None:
        """Raises Misuse where the person's role is under `least`; `what` begins the sentence."""
        if self.role < least:
            raise Misuse(f"{what} is for {least.name.lower()}s, you are {a_role(self.role)}")

    async def ask(
        self,
        command: str,
        title: str,
        *lines: str,
        detail: Iterable[str] = (),
        code: str = "",
        quoted: Quoted | None = None,
        danger: bool = False,
    ) -> Card:
        """Ask for one confirmation of `command`, which is then run as if typed, with `confirmed` and `quoted` set.

        `code`: digits that have to be typed, not tapped.
        """
        token = await self.tools.confirmations.ask(
            owner=self.person,
            place=self.place,
            command=command,
            summary=title,
            ttl=CONFIRM_FOR,
            code=code,
            quoted=quoted,
        )
        seconds = int(CONFIRM_FOR.total_seconds())
        only_you = f"Only you can confirm, once, within {seconds} s."
        wanted = f"Type {code} to confirm." if code else ""
        buttons = (
            Button(
                label="Confirm",
                data=f"{CONFIRM}{token}",
                style=Style.DANGER if danger or code else Style.SUCCESS,
                form=f"Type {code} to confirm" if code else "",
            ),
            Button(label="Cancel", data=f"{CANCEL}{token}"),
        )
        return card(title, *lines, wanted, only_you, detail=detail, buttons=buttons)


def a_role(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role.name.lower()}"
