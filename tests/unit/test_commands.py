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
from bot.render import RenderContext
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
    ("/status", "Breaker CLOSED; size: by kelly, 2% of equity at risk"),
    ("/status", "settings version 4"),
    ("/pnl", "n 100, p 0.680, b 2.150, E +11.42, f 0.531"),
    ("/health", "The playbook has" if load("desk").health is None else "Strategy health: not looked at yet"),
    ("/market BTC", "MACD agrees: long"),
    ("/market btc/usdt", "momentum +0.62 x 0.25"),
    ("/market  BtcUsdt", "V2 long 0.60, valid"),
    ("/market btc-usdt", "Regime trend up, risk x1.3"),
    ("/regime", "ETH: regime chop, risk x0.4"),
    ("/exposure", "BTC with ETH: +0.87, measured on 700 hours"),
    ("/breaker", "breaker CLOSED"),
    ("/shadow", "240 the same, 12 different"),
    ("/playbook list", "torn: faulty: torn.toml: sizing: missing"),
    ("/playbook LIST", "desk (running)"),
    ("/playbook show desk", "running"),
    ("/playbook show", "running"),
    ("/playbook SMT 3.1", "playbook smt-3.1"),
    ("/phase", "/phase set NAME key=value"),
    ("/ask which regime was it?", "Regime trend up, volatility 45.1% a year"),
    ("/ask what would change it", "past its limit"),
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
    ("/market", "which pair? known: BTC"),
    ("/market DOG", "did you mean DOGE?"),
    ("/market eth", "no fresh bar for ETH"),
    ("/breaker rest", "did you mean reset?"),
    ("/breaker reset", "nothing to reset"),
    ("/breaker override", "which level? known: closed, alert, throttle, halt, shutdown"),
    ("/breaker override halted for 1h", "did you mean halt?"),
    ("/breaker override halt", "for how long?"),
    ("/breaker override halt for ever", "not a time like 30m or 2h"),
    ("/breaker override halt for 25h", "not within 1d"),
    ("/breaker override halt for 0m", "not within 1d"),
    ("/shadow ad sigma", "did you mean add?"),
    ("/shadow add", "which playbook? known: "),
    ("/shadow add smt-3.1", "runs in shadow already"),
    ("/shadow remove desk", "no playbook in shadow 'desk'; known: smt-3.1"),
    ("/shadow add torn", "sizing: missing"),
    ("/playbook use", "which playbook? known: "),
    ("/playbook use dsk", "did you mean desk?"),
    ("/playbook show torn", "sizing: missing"),
    ("/phase set", "which phase? known: "),
    ("/phase set finale max_hold=6h", "did you mean final?"),
    ("/phase set final", "a setting and its value are needed"),
    ("/phase set final max_hold", "a setting and its value are needed"),
    ("/phase set final max_hlod=6h", "did you mean max_hold?"),
    ("/phase set final max_hold=6h max_hold=7h", "stands twice"),
    ("/phase set final max_hold=0h", "should be greater than 0 (found 0h)"),
    ("/phase set final =6h", "a setting and its value are needed"),
    ("/undo 3", "the settings have changed meanwhile, to version 4"),
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


@pytest.mark.parametrize("text", ["/halt", "/close BTC", "/phase final", "/breaker reset"])
async def test_a_viewer_cannot_change_the_desk(stage: Stage, text: str) -> None:
    assert "for operators" in (await stage.card(text, who=OLA)).plain()
    assert "for operators" in (await stage.card(button=f"do:{text}", who=OLA)).plain()
    assert stage.desk.obeyed == []
    assert "/halt" not in (await stage.card("/help", who=OLA)).plain()


FOR_ADMINS = (
    "/breaker override alert for 1h", "/shadow add smt-3.1", "/shadow remove smt-3.1", "/phase set final max_hold=6h",
    "/playbook use smt-3.1", "/undo",
)  # fmt: skip


@pytest.mark.parametrize("text", FOR_ADMINS)
async def test_an_operator_cannot_change_what_is_for_admins(stage: Stage, text: str) -> None:
    for asks in ({"text": text}, {"button": f"do:{text}"}):
        refused = (await stage.card(**asks, who=OTTO)).plain()
        assert "for admins, you are an operator" in refused
    assert stage.desk.obeyed == []


async def test_an_operator_resets_the_breaker_after_a_confirmation(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.throttled()))
    asked = await stage.card("/breaker  RESET", who=OTTO)
    assert "day loss 3.61%, THROTTLE from 3.5%" in asked.plain()
    assert "Changes: THROTTLE -> CLOSED" in asked.plain()
    assert stage.desk.obeyed == []
    done = await stage.card(button=f"cf:{token_of(asked)}", who=OTTO)
    assert stage.desk.obeyed == [m.ResetBreaker(by="telegram:9")]
    assert "At the tap:" in done.plain()


async def test_a_reset_says_that_an_override_stays(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.overridden()))
    asked = await stage.card("/breaker reset")
    assert "The override stays: ALERT by Ana (telegram:7) until 16:05 UTC" in asked.plain()


OVERRIDES = (
    ("/breaker override ALERT for 30m", Level.ALERT, timedelta(minutes=30)),
    ("/Breaker OVERRIDE halt 2H", Level.HALT, timedelta(hours=2)),
    ("/breaker override closed for 1 h 30 min", Level.CLOSED, timedelta(minutes=90)),
    ("/breaker override Throttle for 1 day", Level.THROTTLE, timedelta(hours=24)),
    ("/breaker override to shutdown for 24h", Level.SHUTDOWN, timedelta(hours=24)),
)


@pytest.mark.parametrize(("typed", "level", "lasts"), OVERRIDES)
async def test_an_override_is_confirmed_and_audited(stage: Stage, typed: str, level: Level, lasts: timedelta) -> None:
    asked = await stage.card(typed)
    assert f"CLOSED -> {level.name}" in asked.plain()
    assert stage.desk.obeyed == []
    await stage.card(button=f"cf:{token_of(asked)}")
    assert stage.desk.obeyed == [m.OverrideBreaker(level=level, lasts=lasts, by="console:owner")]
    last = (await stage.audit())[0]
    assert isinstance(last, m.CommandRun)
    assert last.result.startswith("done: /breaker override")


async def test_a_looser_override_says_so(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.shut_down()))
    assert "looser than what is measured: SHUTDOWN" in (await stage.card("/breaker override alert for 1h")).plain()
    stage.desk.view = replace(stage.desk.view, breaker=risk.view())
    assert "looser" not in (await stage.card("/breaker override alert for 1h")).plain()


async def test_shadows_are_added_and_removed_after_a_confirmation(stage: Stage) -> None:
    asked = await stage.card("/shadow REMOVE SMT3.1")
    assert "240 the same" in asked.plain()
    await stage.card(button=f"cf:{token_of(asked)}")
    assert "no playbook runs in shadow" in (await stage.card("/shadow")).plain()
    assert "no playbook runs in shadow" in (await stage.card("/shadow remove smt-3.1")).plain()
    asked = await stage.card("/shadow add smt-3.1")
    await stage.card(button=f"cf:{token_of(asked)}")
    name, by = "smt-3.1", "console:owner"
    assert stage.desk.obeyed == [m.RemoveShadow(name=name, by=by), m.AddShadow(name=name, by=by)]


async def test_another_playbook_is_used_after_a_confirmation_that_says_what_positions_keep(stage: Stage) -> None:
    asked = await stage.card("/playbook use smt-3.1")
    assert "Open positions keep the exits they were opened with: btc-k3f9x2pa" in asked.plain()
    assert "setting.0: 1 -> 2" in asked.plain()
    assert "And 8 more settings, below" in asked.plain()
    assert asked.detail[-1] == "setting.19: 1 -> 2"
    done = await stage.card(button=f"cf:{token_of(asked)}")
    assert stage.desk.obeyed == [m.UsePlaybook(name="smt-3.1", by="console:owner")]
    assert "playbook desk -> smt-3.1" in done.title


AMENDMENTS = (
    ("/phase set final max_hold=6h max_positions=3", (("max_hold", "6h"), ("max_positions", "3"))),
    ("/phase SET Final Max_Hold = 6 H  max positions=3", (("max_hold", "6h"), ("max_positions", "3"))),
    ("/phase set final max-hold= max_positions=3", (("max_hold", ""), ("max_positions", "3"))),
    ("/phase set final take_profit=2.5 % max_hold=default", (("take_profit", "2.5%"), ("max_hold", ""))),
    ("/phase set final note=hold what is there stoploss=0.01", (("note", "hold what is there"), ("stop_loss", "0.01"))),
)


@pytest.mark.parametrize(("typed", "values"), AMENDMENTS)
async def test_a_phase_is_amended_after_its_difference_was_shown(
    stage: Stage, typed: str, values: tuple[tuple[str, str], ...]
) -> None:
    asked = await stage.card(typed)
    assert "phase final, max_hold: 12h -> 6h" in asked.plain()
    assert "The phase that is on is base." in asked.plain()
    assert "Settings version 4 -> 5" in asked.plain()
    done = await stage.card(button=f"cf:{token_of(asked)}")
    assert stage.desk.obeyed == [m.AmendPhase(phase="final", values=values, by="console:owner")]
    assert "phase final, max_positions: 5 (base) -> 3" in done.plain()


async def test_what_was_asked_for_and_is_so_already_is_said(stage: Stage) -> None:
    asked = await stage.card("/phase set final max_hold=6h stop_loss=1%")
    assert "stop_loss: 1% already" in asked.lines
    assert not [line for line in asked.lines if line.startswith("max_hold:")]


async def test_what_a_setting_cannot_be_is_said_about_the_words_that_were_typed(stage: Stage) -> None:
    card = await stage.card("/phase set final max_hold=0h")
    assert "max_hold: should be greater than 0 (found 0h)" in card.plain()
    assert "phases." not in card.plain()
    assert "desk:" not in card.plain()
    assert "Usage: /phase" in card.plain()


async def test_a_fault_too_long_for_a_title_is_said_once(stage: Stage) -> None:
    card = await stage.card("/market")
    assert card.title == "PAPER /market: not understood"
    assert card.plain().count("which pair?") == 1


async def test_a_question_the_last_wait_cannot_answer_is_about_the_last_trade(stage: Stage) -> None:
    wait = replace(examples.a_decision("wait"), id="btc-zzzzzzzz", at=examples.AT + timedelta(minutes=5))
    await stage.desk.tell(m.DecisionMade(at=wait.at, decision=wait))
    assert (await stage.card("/ask why this size?")).title == "PAPER btc-k3f9x2pa: BTC long"
    assert (await stage.card("/ask which votes?")).title == "PAPER btc-zzzzzzzz: BTC wait"
    assert (await stage.card("/ask what is the weather")).title == "PAPER btc-zzzzzzzz: BTC wait"


@pytest.mark.parametrize("word", ["yes", "No"])
async def test_a_yes_to_nothing_is_told_apart_from_a_wrong_command(stage: Stage, word: str) -> None:
    assert "no question is open here" in (await stage.card(word)).title


async def test_results_of_a_window_and_of_all_tell_one_equity(stage: Stage) -> None:
    """Of the closed trades alone: what open positions have paid in fees so far is not theirs."""
    stage.desk.view = examples.a_status(realised=Decimal("-7"))
    for window in ("today", "7d", "all"):
        assert "Equity 10,039.08 by the closed trades" in (await stage.card(f"/pnl {window}")).plain()


async def test_undo_takes_back_only_what_it_has_shown(stage: Stage) -> None:
    asked = await stage.card("/undo")
    assert "phase final, max_hold: 6h -> 12h" in asked.plain()
    amended = await stage.card("/phase set final max_hold=6h")
    await stage.card(button=f"cf:{token_of(amended)}")
    late = await stage.card(button=f"cf:{token_of(asked)}")
    assert "the settings have changed meanwhile, to version 5" in late.plain()
    again = await stage.card("/undo")
    await stage.card(button=f"cf:{token_of(again)}")
    assert stage.desk.obeyed[1:] == [m.Undo(by="console:owner", version=5)]


async def test_what_holds_entries_back_is_said_by_every_card_that_speaks_of_them(stage: Stage) -> None:
    shut = risk.view(risk.shut_down())
    stage.desk.view = examples.a_status(at=examples.AT, breaker=shut, positions=())
    for text in ("/status", "/positions", "/health"):
        assert "No new entries: the breaker is at SHUTDOWN" in (await stage.card(text)).plain()
    assert "but: No new entries: the breaker is at SHUTDOWN" in (await stage.card("/resume")).plain()
    assert "breaker SHUTDOWN" in (await stage.card("/status")).title
    assert "breaker SHUTDOWN" in toolbar(stage.desk)
    stage.desk.view = replace(stage.desk.view, trading=TradingState.HALTED, halted_by="x")
    assert "All the same: No new entries: the breaker" in (await stage.card("/resume")).plain()
    stage.desk.view = examples.a_held_back_status()
    assert "Entries in shadow only" in (await stage.card("/status")).plain()
    stage.desk.view = examples.a_status(at=examples.AT, breaker=risk.view(risk.throttled()))
    assert "Entries at high confidence and reduced size only" in (await stage.card("/status")).plain()


async def test_a_playbook_without_expectancy_says_how_it_sizes(stage: Stage) -> None:
    stage.desk.view = examples.a_status(sized=None)
    said = "Size now: each trade takes its margin by confidence, whatever the closed trades have shown"
    assert said in (await stage.card("/pnl")).plain()


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
    assert complete(stage.desk, "/market b") == ["/market BTC", "/market BNB"]
    assert complete(stage.desk, "/breaker r") == ["/breaker reset"]
    assert "/breaker override halt for 1h" in complete(stage.desk, "/breaker over")
    assert complete(stage.desk, "/phase set final max_h") == ["/phase set final max_hold="]
    assert complete(stage.desk, "/playbook use t", Shelf().names()) == ["/playbook use torn"]
    assert complete(stage.desk, "/shadow add t", Shelf().names()) == ["/shadow add torn"]
    assert "PAPER · simulated market · 2024-05-03 17:00 UTC · equity 10,008.23" in toolbar(stage.desk)
    at = stage.desk.status().at
    played = toolbar(stage.desk, at - timedelta(hours=1), at + timedelta(hours=3))
    assert "2024-05-03 17:00 UTC (25%) · equity" in played
