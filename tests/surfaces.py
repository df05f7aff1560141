"""A surface over a real database with a small desk behind it: what the tests of commands talk to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from bot.gate import Surface
from bot.people import Directory
from bot.reach import Tools
from bot.render.words import RenderContext
from bot.routing import Routing
from bot.surface import Card, Identity, Request, Role
from bot.wishes import Wishes
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import DeadLetter
from storage.people import Register
from storage.preferences import Preferences
from storage.queries import Queries
from storage.scores import Learned, Score
from storage.tallies import Curve, Tally
from storage.wishes import WishList
from tests import risk_examples as risk
from tests import surface_examples as examples
from trading import events as m
from trading.asking import NoAnswer, Question
from trading.chain import ChainView
from trading.clock import ManualClock
from trading.errors import BadPlaybook, Misuse
from trading.market.series import Series
from trading.messages import Amend, AmendPhase, ClosePosition, Command, Halt, RemoveShadow, Resume, Undo, UsePlaybook
from trading.model import Symbol, TradingState
from trading.playbook import Playbook, available, load
from trading.policies import Seat
from trading.ports import LanguageModel
from trading.setting_lines import setting_lines
from trading.spending import BudgetView
from trading.state import DeskState
from trading.status import DeskStatus, ExposureView, MarketView, RegimeLine, SettingLine, ShadowDeskView
from trading.voice import Lack

OWNER = Identity(platform="console", id="owner")  # as a person "owner"
ANA = Identity(platform="telegram", id="7", name="Ana")  # admin, as a person "ana"
OLA = Identity(platform="telegram", id="8")  # viewer, "ola"
OTTO = Identity(platform="telegram", id="9")  # operator, "otto"
EVE = Identity(platform="telegram", id="666", name="Eve")  # a stranger
WALL = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

CHANGES = (("phases.final.max_hold", "12h", "6h"), ("phases.final.max_positions", "5 (base)", "3"))
OF_A_PLAYBOOK = tuple((f"setting.{n}", "1", "2") for n in range(20))


class Shelf:
    """The shipped playbooks, and one file with a fault."""

    def names(self) -> tuple[str, ...]:
        return (*available(), "torn")

    def load(self, name: str) -> Playbook:
        if name == "torn":
            raise BadPlaybook("torn.toml:\n  sizing: missing")
        return load(name)


@cache
def lines_of(name: str) -> tuple[SettingLine, ...]:
    """Every setting of a playbook, as its file has it."""
    playbook = load(name)
    state = DeskState(desk="test", playbook=playbook.name, start_equity=Decimal(10_000))
    return setting_lines(file=playbook, playbook=playbook, state=state)


@dataclass
class Desk:
    """A small real desk: it halts, resumes, closes and refuses, and journals what it is told."""

    journal: SqlJournal
    view: DeskStatus = field(default_factory=lambda: examples.a_status(version=4))
    beside: tuple[ShadowDeskView, ...] = (risk.a_shadow_desk(),)
    obeyed: list[Command] = field(default_factory=list)
    broken: bool = False
    playbook = load("desk")
    lines: tuple[SettingLine, ...] = field(default_factory=lambda: lines_of("desk"))
    series: Series | None = None

    def status(self) -> DeskStatus:
        return self.view

    def now(self) -> datetime:
        return self.view.at

    def market(self, symbol: Symbol) -> MarketView:
        if symbol != risk.BTC:
            raise Misuse(f"no fresh bar for {symbol}")
        return risk.a_market()

    def regimes(self) -> tuple[RegimeLine, ...]:
        return risk.regimes()

    def exposure(self) -> ExposureView:
        return risk.an_exposure()

    def settings(self) -> tuple[SettingLine, ...]:
        return self.lines

    def candles(self, symbol: Symbol, bars: int) -> Series:
        if self.series is None:
            raise Misuse(f"no candles of {symbol}")
        return self.series

    async def shadows(self) -> tuple[ShadowDeskView, ...]:
        return self.beside

    def changes(self, command: Amend | AmendPhase | Undo | UsePlaybook) -> tuple[tuple[str, str, str], ...]:
        match command:
            case AmendPhase(values=values):
                if ("max_hold", "0h") in values:
                    raise BadPlaybook("phases.final.max_hold: should be greater than 0 (found 0h)")
                return CHANGES
            case UsePlaybook():
                return OF_A_PLAYBOOK
            case Amend(values=values):
                return tuple((key, "1", value) for key, value in values)
            case Undo():
                return tuple((what, after, before) for what, before, after in CHANGES)

    async def obey(self, command: Command) -> str:
        if self.broken:
            raise RuntimeError("secret inner detail")
        self.obeyed.append(command)
        match command:
            case Halt(by=by, reason=reason):
                if self.view.trading is TradingState.HALTED:
                    raise Misuse("the desk is halted already")
                self.view = replace(self.view, trading=TradingState.HALTED, halted_by=by, halt_reason=reason)
            case Resume():
                self.view = replace(self.view, trading=TradingState.ACTIVE, halted_by="", halt_reason="")
            case ClosePosition():
                self.view = replace(self.view, positions=())
            case AmendPhase():
                self.view = replace(self.view, version=self.view.version + 1)
            case RemoveShadow():
                self.beside = ()
        return f"Obeyed {type(command).__name__}."

    async def tell(self, *events: m.Event) -> None:
        await self.journal.commit(events)


@dataclass
class Stage:
    """A surface over a database, and a wall clock that the test moves."""

    desk: Desk
    database: Database
    wall: ManualClock
    surface: Surface
    queries: Queries
    routing: Routing
    tools: Tools

    async def say(
        self, text: str = "", *, button: str = "", who: Identity = OWNER, place: str = "", private: bool = True
    ) -> Card | None:
        place = place or ("console:main" if who.platform == "console" else f"{who.platform}:{who.id}")
        request = Request(who=who, place=place, text=text, button=button, at=self.wall.now(), private=private)
        return await self.surface.handle(request)

    async def card(self, text: str = "", **where: Any) -> Card:
        card = await self.say(text, **where)
        assert card is not None
        return card

    async def audit(self) -> list[m.Event]:
        return await self.queries.audit(100)


# --- what stands behind the ports that a test does not look at -------------------------------------------------------


class NoFigures:
    async def totals(self, dimension: str, since: datetime | None = None) -> Sequence[Tally]:
        return ()

    async def curve(self, since: datetime | None = None) -> Curve:
        return Curve(points=(), fall=None)

    async def board(self) -> Sequence[Score]:
        return ()

    async def learned(self) -> Learned:
        return Learned(judged=(), weighed=None)


class NoMail:
    async def dead(self, n: int) -> Sequence[DeadLetter]:
        return ()


class NoLog:
    def last(self, n: int) -> Sequence[str]:
        return ()


class NoVoices:
    """A process without any key: nobody is asked, and whoever is asked says so."""

    model: LanguageModel
    words = ""
    wordless = "no key of a model"

    def __init__(self) -> None:
        self.model = self

    async def ask(self, question: Question[Any]) -> NoAnswer:
        return NoAnswer(lack=Lack.OFF, reason=self.wordless)

    async def budget(self) -> BudgetView:
        return BudgetView(
            at=datetime(2026, 1, 5, tzinfo=UTC), caps=(), per_decision=Decimal(0), costs=(), given_up=(), voices=()
        )

    def chain(self) -> ChainView:
        return ChainView(reading=None, why="no key of Etherscan", asked=0, cached=0)

    async def bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        return {}

    def sentiment(self, seat: Seat, universe: Sequence[str]) -> str:
        return self.wordless

    def whale(self, seat: Seat) -> str:
        return "no key of Etherscan"

    def council(self, seat: Seat) -> str:
        return self.wordless

    def bench(self, playbook: Playbook) -> None:
        return None


async def a_directory(database: Database, wall: ManualClock) -> Directory:
    """With the owner of the terminal, Ana, Ola and Otto."""
    people = await Directory.open(Register(database, wall))
    for who, name, role in ((ANA, "Ana", Role.ADMIN), (OLA, "Ola", Role.VIEWER), (OTTO, "Otto", Role.OPERATOR)):
        await people.add(who.key, role, name=name, by="a test")
    return people


async def tools(desk: Desk, database: Database, wall: ManualClock, routing: Routing, **others: Any) -> Tools:
    """`others`: what a test puts in the place of these."""
    usual: dict[str, Any] = {
        "desk": desk,
        "records": Queries(database),
        "figures": NoFigures(),
        "confirmations": Confirmations(database, wall),
        "people": await a_directory(database, wall),
        "preferences": Preferences(database, wall),
        "wishes": await Wishes.open(WishList(database, wall)),
        "mail": NoMail(),
        "routing": routing,
        "library": Shelf(),
        "log": NoLog(),
        "voices": NoVoices(),
        "about": RenderContext(),
        "version": "0.1.0",
    }
    return Tools(**{**usual, **others})


@asynccontextmanager
async def staged(directory: Path, **others: Any) -> AsyncIterator[Stage]:
    """With the events of surface_examples.story and one closed trade in the journal."""
    database = await Database.open(directory / "desk.db")
    wall, routing = ManualClock(WALL), Routing(["console:main"])
    desk = Desk(SqlJournal(database, route=lambda _: [], wall=wall))
    await desk.tell(*examples.story())
    await desk.journal.commit([], [examples.a_trade()])
    all_tools = await tools(desk, database, wall, routing, **others)
    yield Stage(desk, database, wall, Surface(all_tools), Queries(database), routing, all_tools)
    await database.close()


def token_of(card: Card) -> str:
    return card.token
