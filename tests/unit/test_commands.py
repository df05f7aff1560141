"""Every command through the one gate, over a real database: who may, what is asked, what is done, what is audited."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot.catalogue import COMMANDS, Tools
from bot.commands.completion import complete, toolbar
from bot.gate import Surface, access_for
from bot.render.words import RenderContext
from bot.routing import Routing
from bot.surface import Card, Identity, Request, Role
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.preferences import Preferences
from storage.queries import Queries
from tests import risk_examples as risk
from tests import surface_examples as examples
from trading import messages as m
from trading.breaker import Level
from trading.clock import ManualClock
from trading.errors import BadPlaybook, JournalUnwritable, Misuse
from trading.model import PositionId, Symbol, TradingState
from trading.playbook import Playbook, available, load
from trading.status import DeskStatus, ExposureView, MarketView, RegimeLine, ShadowDeskView

OWNER = Identity(platform="console", id="owner")
ANA = Identity(platform="telegram", id="7", name="Ana")
EVE = Identity(platform="telegram", id="666", name="Eve")
OLA = Identity(platform="telegram", id="8")
OTTO = Identity(platform="telegram", id="9")
WALL = datetime(2026, 1, 5, 9, 30, tzinfo=examples.AT.tzinfo)
ALL_COMMANDS = [
    "status",
    "positions",
    "position",
    "pnl",
    "balance",
    "trades",
    "decisions",
    "why",
    "ask",
    "halt",
    "resume",
    "close",
    "phase",
    "undo",
    "playbook",
    "shadow",
    "market",
    "regime",
    "exposure",
    "breaker",
    "alerts",
    "health",
    "help",
    "version",
]


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


@dataclass
class Desk:
    """A small real desk: it halts, resumes, closes and refuses, and journals what it is told."""

    journal: SqlJournal
    view: DeskStatus = field(default_factory=lambda: examples.a_status(version=4))
    beside: tuple[ShadowDeskView, ...] = (risk.a_shadow_desk(),)
    obeyed: list[m.Command] = field(default_factory=list)
    broken: bool = False
    playbook = load("desk")

    def status(self) -> DeskStatus:
        return self.view

    def now(self) -> datetime:
        return self.view.at

    def market(self, symbol: Symbol) -> MarketView:
        if symbol != examples.BTC:
            raise Misuse(f"no fresh bar for {symbol}")
        return risk.a_market()

    def regimes(self) -> tuple[RegimeLine, ...]:
        return risk.regimes()

    def exposure(self) -> ExposureView:
        return risk.an_exposure()

    async def shadows(self) -> tuple[ShadowDeskView, ...]:
        return self.beside

    def changes(self, command: m.AmendPhase | m.Undo | m.UsePlaybook) -> tuple[tuple[str, str, str], ...]:
        match command:
            case m.AmendPhase(values=values):
                if ("max_hold", "0h") in values:
                    raise BadPlaybook("phases.final.max_hold: should be greater than 0 (found 0h)")
                return CHANGES
            case m.UsePlaybook():
                return OF_A_PLAYBOOK
            case m.Undo():
                return tuple((what, after, before) for what, before, after in CHANGES)

    async def obey(self, command: m.Command) -> str:
        if self.broken:
            raise RuntimeError("secret inner detail")
        self.obeyed.append(command)
        match command:
            case m.Halt(by=by, reason=reason):
                if self.view.trading is TradingState.HALTED:
                    raise Misuse("the desk is halted already")
                self.view = replace(self.view, trading=TradingState.HALTED, halted_by=by, halt_reason=reason)
            case m.Resume():
                self.view = replace(self.view, trading=TradingState.ACTIVE, halted_by="", halt_reason="")
            case m.ClosePosition():
                self.view = replace(self.view, positions=())
            case m.AmendPhase():
                self.view = replace(self.view, version=self.view.version + 1)
            case m.RemoveShadow():
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

    async def say(self, text: str = "", *, button: str = "", who: Identity = OWNER) -> Card | None:
        place = "console:main" if who.platform == "console" else f"telegram:{who.id}"
        return await self.surface.handle(Request(who=who, place=place, text=text, button=button, at=self.wall.now()))

    async def card(self, text: str = "", *, button: str = "", who: Identity = OWNER) -> Card:
        card = await self.say(text, button=button, who=who)
        assert card is not None
        return card

    async def audit(self) -> list[m.Event]:
        return await self.queries.audit(100)


def a_surface(desk: Desk, database: Database, wall: ManualClock, routing: Routing) -> Surface:
    tools = Tools(
        desk=desk,
        records=Queries(database),
        confirmations=Confirmations(database, wall),
        preferences=Preferences(database),
        routing=routing,
        library=Shelf(),
        about=RenderContext(),
        version="0.1.0",
    )
    return Surface(tools, {**access_for([7]), "telegram:8": Role.VIEWER, "telegram:9": Role.OPERATOR})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    database = await Database.open(tmp_path / "desk.db")
    wall, routing = ManualClock(WALL), Routing(["console:main"])
    desk = Desk(SqlJournal(database, route=lambda _: [], wall=wall))
    await desk.tell(*examples.story())
    await desk.journal.commit([], [examples.a_trade()])
    yield Stage(desk, database, wall, a_surface(desk, database, wall, routing), Queries(database), routing)
    await database.close()


def token_of(card: Card) -> str:
    return next(b.data.removeprefix("cf:") for b in card.buttons if b.data.startswith("cf:"))


ANSWERS = (("/health", "The playbook has" if load("desk").health is None else "Strategy health: not looked at yet"),)


async def test_reading_commands_answer(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in ANSWERS}
    assert {text: part for text, part in ANSWERS if part not in said[text]} == {}


REFUSALS = ()


async def test_what_cannot_be_done_is_said_plainly(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in REFUSALS}
    assert {text: said[text] for text, part in REFUSALS if part not in said[text]} == {}
    assert stage.desk.obeyed == []
