"""Every command through the one gate, over a real database: who may, what is asked, what is done, what is audited."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.catalogue import COMMANDS, Tools
from bot.commands.completion import complete, toolbar
from bot.gate import Surface, access_for
from bot.render import RenderContext
from bot.routing import Routing
from bot.surface import Card, Identity, Request, Role
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.preferences import Preferences
from storage.queries import Queries
from tests import surface_examples as examples
from trading import messages as m
from trading.clock import ManualClock
from trading.errors import JournalUnwritable, Misuse
from trading.model import PositionId, TradingState
from trading.playbook import load
from trading.status import DeskStatus

OWNER = Identity(platform="console", id="owner")
ANA = Identity(platform="telegram", id="7", name="Ana")
EVE = Identity(platform="telegram", id="666", name="Eve")
OLA = Identity(platform="telegram", id="8")
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
    "playbook",
    "alerts",
    "health",
    "help",
    "version",
]


@dataclass
class Desk:
    """A small real desk: it halts, resumes, closes and refuses, and journals what it is told."""

    journal: SqlJournal
    view: DeskStatus = field(default_factory=examples.a_status)
    obeyed: list[m.Command] = field(default_factory=list)
    broken: bool = False
    playbook = load("desk")

    def status(self) -> DeskStatus:
        return self.view

    def now(self) -> datetime:
        return self.view.at

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
        about=RenderContext(),
        version="0.1.0",
    )
    return Surface(tools, {**access_for([7]), "telegram:8": Role.VIEWER})


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


def test_the_catalogue_has_every_command_of_this_version() -> None:
    assert set(ALL_COMMANDS) <= set(COMMANDS)
    assert all(e.usage.startswith(f"/{n}") and e.example.startswith(f"/{n}") for n, e in COMMANDS.items())


async def test_the_example_of_every_command_works_and_is_audited(stage: Stage) -> None:
    await stage.say("/halt")
    for name in (n for n in ALL_COMMANDS if n != "halt"):
        text = COMMANDS[name].example
        card = await stage.card(text)
        assert card.title.startswith("PAPER ")
        assert "simulated market" in card.lines[-1]
        last = (await stage.audit())[0]
        assert isinstance(last, m.CommandRun)
        assert (last.text, last.place) == (text, "console:main")
        assert last.result in ("done", "confirmation asked"), name


ANSWERS = (
    ("/status", "equity 10,008.23"),
    ("/positions", "Stop 62,605.2"),
    ("/position btc-k3", "maximum hold"),
    ("/position btc", "maximum hold"),
    ("/pnl", "P&L all +39.08"),
    ("/pnl today", "Win rate 100%"),
    ("/balance", "available 9,920.06"),
    ("/trades 1", "take profit"),
    ("/decisions 3 BTC", "BTC long 0.71"),
    ("/decisions BTC 3", "BTC long 0.71"),
    ("/why", "[E1] FLOW"),
    ("/why btc-k3f", "[E1] FLOW"),
    ("/why BTC", "closed by take profit"),
    ("/ask btc-k3f9x2pa", "[E1] FLOW"),
    ("/ask what is the stop-loss of BTC", "62,605.2"),
    ("/ask which size?", "0.0124"),
    ("/phase", "final: protect what is there"),
    ("/playbook", "running"),
    ("/playbook smt-3.1", "Leverage 20x"),
    ("/alerts", "fill: on"),
    ("/health", "whale: off, no key"),
    ("/help", "/halt [reason]"),
    ("/help halt", "For operators"),
    ("/version", "Gavel 0.1.0"),
    ("/STATUS@GavelBot", "equity 10,008.23"),
)


async def test_reading_commands_answer(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in ANSWERS}
    assert {text: part for text, part in ANSWERS if part not in said[text]} == {}


REFUSALS = (
    ("/positons", "Did you mean /positions?"),
    ("hello", "commands begin with /"),
    ("", "commands begin with /"),
    ("/", "no command /"),
    ("/trades many", "Usage: /trades [n]"),
    ("/trades 0", "Usage"),
    ("/trades ²", "Usage"),
    ("/pnl yesterday", "today, 7d, 30d, all"),
    ("/position", "Usage: /position"),
    ("/position eth", "no open position eth"),
    ("/why eth", "no decision about ETH"),
    ("/why btc-k3f9x2pb", "did you mean btc-k3f9x2pa?"),
    ("/close nothing", "no open position nothing; open: btc-k3f9x2pa"),
    ("/resume", "the desk is not halted"),
    ("/phase finale", "did you mean final?"),
    ("/playbook desc", "did you mean desk?"),
    ("/playbook ../../etc/passwd.toml", "no playbook"),
    ("/alerts fil off", "did you mean fill?"),
    ("/alerts fill loud", "on, silent, off"),
    ("/alerts risk off", "cannot be switched off"),
    ("/help clos", "did you mean /close?"),
    ("/ask what is the weather", "does not hold that"),
)


async def test_what_cannot_be_done_is_said_plainly(stage: Stage) -> None:
    said = {text: (await stage.card(text)).plain() for text, _ in REFUSALS}
    assert {text: said[text] for text, part in REFUSALS if part not in said[text]} == {}
    assert stage.desk.obeyed == []


async def test_halt_acts_at_once(stage: Stage) -> None:
    card = await stage.card("/halt news", who=ANA)
    assert stage.desk.obeyed == [m.Halt(by="Ana (telegram:7)", reason="news")]
    assert "halted" in card.title


async def test_resume_asks_and_acts_on_the_tap_once(stage: Stage) -> None:
    await stage.say("/halt news", who=ANA)
    asked = await stage.card("/resume", who=ANA)
    assert len(stage.desk.obeyed) == 1
    assert [b.label for b in asked.buttons] == ["Confirm", "Cancel"]
    assert "news" in asked.plain()
    done = await stage.card(button=f"cf:{token_of(asked)}", who=ANA)
    assert stage.desk.obeyed[1:] == [m.Resume(by="Ana (telegram:7)")]
    assert "confirmed by Ana (telegram:7), 2026-01-05 09:30 UTC" in done.plain()
    again = await stage.card(button=f"cf:{token_of(asked)}", who=ANA)
    assert "already confirmed by telegram:7" in again.plain()
    assert len(stage.desk.obeyed) == 2


async def test_close_quotes_size_mark_and_result_again_at_the_tap(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    assert "0.0124" in asked.plain()
    assert "Mark 64,900.0" in asked.plain()
    view = stage.desk.view.positions[0]
    stage.desk.view = replace(stage.desk.view, positions=(replace(view, quote=examples.a_quote("63000.0")),))
    done = await stage.card(button=f"cf:{token_of(asked)}")
    assert stage.desk.obeyed == [m.ClosePosition(position_id=PositionId(examples.ID), by="console:owner")]
    assert "Mark 63,000.0" in done.plain()
    assert "unrealised -15.01" in done.plain()


async def test_close_of_a_position_that_went_meanwhile_is_refused(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    stage.desk.view = replace(stage.desk.view, positions=())
    assert "none is open" in (await stage.card(button=f"cf:{token_of(asked)}")).plain()
    assert stage.desk.obeyed == []


async def test_only_its_owner_can_confirm(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    card = await stage.card(button=f"cf:{token_of(asked)}", who=ANA)
    assert "only the person who asked" in card.plain()
    assert stage.desk.obeyed == []
    await stage.card(button=f"cf:{token_of(asked)}")
    assert len(stage.desk.obeyed) == 1


async def test_a_question_ends_after_two_minutes(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    stage.wall.advance(timedelta(seconds=121))
    assert "this question ended" in (await stage.card(button=f"cf:{token_of(asked)}")).plain()
    assert stage.desk.obeyed == []


async def test_a_cancelled_question_does_nothing(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    assert "nothing was done" in (await stage.card(button=f"no:{token_of(asked)}")).plain()
    assert "already cancelled" in (await stage.card(button=f"cf:{token_of(asked)}")).plain()
    assert stage.desk.obeyed == []


async def test_a_question_works_across_a_restart(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    stage.surface = a_surface(stage.desk, stage.database, stage.wall, stage.routing)
    await stage.card(button=f"cf:{token_of(asked)}")
    assert len(stage.desk.obeyed) == 1


async def test_phase_is_set_after_a_confirmation(stage: Stage) -> None:
    for typed, phase in (("/phase final", "final"), ("/phase auto", None)):
        asked = await stage.card(typed)
        await stage.card(button=f"cf:{token_of(asked)}")
        assert stage.desk.obeyed[-1] == m.SetPhase(phase=phase, by="console:owner")


async def test_alerts_are_changed_kept_and_journalled(stage: Stage) -> None:
    await stage.card("/alerts fill silent")
    assert stage.routing.mode("console:main", "fill") == "silent"
    assert await Preferences(stage.database).load() == {("console:main", "fill"): "silent"}
    changed = await stage.queries.last_event("AlertsChanged")
    assert isinstance(changed, m.AlertsChanged)
    assert (changed.before, changed.after) == ("on", "silent")


@pytest.mark.parametrize("asks", [{"text": "/balance"}, {"button": "cf:0123456789abcdef"}, {"button": "do:/halt"}])
async def test_a_stranger_gets_no_data_and_is_audited(stage: Stage, asks: dict[str, str]) -> None:
    card = await stage.card(**asks, who=EVE)
    assert card.plain() == "This desk is private."
    assert card.buttons == ()
    refused = (await stage.audit())[0]
    assert isinstance(refused, m.AccessRefused)
    assert refused.who == "Eve (telegram:666)"
    assert refused.text in asks.values()
    assert stage.desk.obeyed == []


async def test_a_stranger_is_answered_once_a_minute_and_cannot_flood_the_journal(stage: Stage) -> None:
    answers = [await stage.say("/status", who=EVE) for _ in range(30)]
    assert [a is not None for a in answers] == [True] + [False] * 29
    assert len(await stage.audit()) == 10
    stage.wall.advance(timedelta(seconds=60))
    assert await stage.say(button="do:/status", who=EVE) is not None


@pytest.mark.parametrize("text", ["/halt", "/close BTC", "/phase final"])
async def test_a_viewer_cannot_change_the_desk(stage: Stage, text: str) -> None:
    assert "for operators" in (await stage.card(text, who=OLA)).plain()
    assert "for operators" in (await stage.card(button=f"do:{text}", who=OLA)).plain()
    assert stage.desk.obeyed == []
    assert "/halt" not in (await stage.card("/help", who=OLA)).plain()


async def test_nobody_is_the_default() -> None:
    assert access_for([]) == {"console:owner": Role.ADMIN}


async def test_an_error_inside_is_told_honestly_and_logged_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.desk.broken = True
    with caplog.at_level(logging.ERROR):
        card = await stage.card("/halt")
    assert len(caplog.records) == 1
    error = card.title.removeprefix("PAPER error ")
    assert error in caplog.text
    assert "secret inner detail" in caplog.text
    assert "secret inner detail" not in card.plain()
    last = (await stage.audit())[0]
    assert isinstance(last, m.CommandRun)
    assert last.result == f"error {error}"


async def test_a_journal_that_takes_nothing_does_not_stop_a_halt(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*events: m.Event) -> None:
        raise JournalUnwritable("disk full")

    monkeypatch.setattr(stage.desk, "tell", full)
    card = await stage.card("/halt")
    assert len(stage.desk.obeyed) == 1
    assert "not audited" in card.plain()


async def test_completion_knows_commands_ids_and_pairs(stage: Stage) -> None:
    assert complete(stage.desk, "/po") == ["/positions", "/position"]
    assert complete(stage.desk, "/close b") == ["/close BTC", "/close btc-k3f9x2pa"]
    assert "/phase auto" in complete(stage.desk, "/phase ")
    assert complete(stage.desk, "hello") == []
    assert "PAPER · simulated market · 2024-05-03 17:00 UTC · equity 10,008.23" in toolbar(stage.desk)
