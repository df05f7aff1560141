"""Cards about people, what they wish to be told, and the desk itself, each with what it was made from."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import bot.commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS
from bot.render.health import health_card
from bot.render.people import audit_card, audit_file, person_card, questions_card, users_card
from bot.render.system import command_card, help_card, logs_card, undelivered_card, undelivered_file
from bot.render.wishes import Told, alerts_card, kind_card, place_card, stream_card, wish_card, wished_card
from bot.routing import KINDS, MODES, Routing
from bot.surface import Role
from bot.wishes import WISHES
from storage.confirmations import OpenQuestion
from storage.outbox import DeadLetter
from storage.people import Person
from tests import risk_examples as risk
from tests import surface_examples as examples
from tests.control_examples import people_events
from tests.risk_examples import AT
from tests.shown import Shown, shown
from trading import events as m
from trading.health import Severity
from trading.model import TradingState
from trading.playbook import load
from trading.status import Armed, Capability

BERLIN = ZoneInfo("Europe/Berlin")
ANN = Person(id="ann-lee", name="Ann Lee", role=2, source="chat", accounts=("discord:9", "telegram:7"))
PEOPLE = (
    ANN,
    Person(id="owner", name="Owner", role=3, source="terminal", accounts=("console:owner",)),
    Person(id="telegram-8", name="telegram-8", role=3, source="environment", accounts=("telegram:8",)),
    Person(id="room", name="Trading room", role=1, source="chat", accounts=("telegram:-1001",)),
)
CROWD = tuple(
    Person(id=f"user-{n:02}", name=f"User {n:02}", role=1, source="chat", accounts=(f"telegram:{n}",))
    for n in range(1, 24)
)
AUDIT: tuple[m.Event, ...] = (
    m.CommandRun(
        at=AT,
        who="Ana (telegram:7)",
        place="telegram:-1001",
        text="/halt too hot",
        result="done",
        changes=(("trading", "active", "halted: too hot"), ("lock BTC", "", "on")),
    ),
    m.AccessRefused(at=AT, who="Eve (telegram:666)", place="telegram:666", text="=1+1", reason="not on the list"),
    m.AlertsChanged(at=AT, by="console:owner", destination="console:main", kind="fill", before="on", after="off"),
    people_events()["wish_changed"],
    people_events()["person_role"],
)
QUESTION = OpenQuestion(
    token="8f3a8f3a8f3a8f3a",
    command="/flatten",
    summary="flatten: close 2 positions?",
    code="4711",
    place="telegram:7",
    asked_at=AT,
    expires_at=AT + timedelta(minutes=2),
)
OTHER = replace(QUESTION, token="77", command="/resume", summary="resume?", code="")
LETTER = DeadLetter(
    destination="telegram:8", event=examples.events()["halted"], queued_at=AT, error="Forbidden: bot was blocked"
)
SAYS = "PAPER HALTED by Ana (telegram:7): news"
TOLD = Told(
    place="telegram:-1001",
    active=True,
    modes=Routing(["telegram:-1001"]).modes("telegram:-1001"),
    streams={"risk": "telegram:-1001/15"},
    wishes={name: wish.default for name, wish in WISHES.items()},
)
ILL = (
    Capability(name="journal", state=Armed.ARMED),
    Capability(name="venue paper", state=Armed.DEGRADED, why="not reached", since=AT - timedelta(hours=1)),
    Capability(name="persona whale", state=Armed.OFF, why="no on-chain reader in this version"),
    Capability(name="discord", state=Armed.OFF, why="no DISCORD_BOT_TOKEN"),
    Capability(name="messages to telegram:8", state=Armed.DEGRADED, why="1 refused for good: Forbidden"),
)
YOUNG = replace(risk.a_health(), findings=(), severity=Severity.NONE, n=3)
WELL = examples.a_status(capabilities=ILL[:1], health=YOUNG)
HALTED = examples.a_status(trading=TradingState.HALTED, halted_by="Ana (telegram:7)", halt_reason="news", halted_at=AT)
PIN = WISHES["pin"]
SOME = {path: COMMANDS[path] for path in ("status", "positions", "pnl", "quiet", "halt", "close", "flatten")}
LOG = tuple(
    f"12:00:{n:02} INFO line {n:02} of a log of which a card shows only the end{' and more' * 10}" for n in range(25)
)

CARDS: dict[str, Shown] = {
    "users": shown(users_card, PEOPLE),
    "users_page": shown(users_card, CROWD, 2),
    "user": shown(person_card, "Ann Lee: viewer -> operator", ANN),
    "audit": shown(audit_card, AUDIT, AT, BERLIN, each=5, page=2, more=True),
    "audit_first": shown(audit_card, AUDIT[:2], AT, each=20),
    "audit_none": shown(audit_card, (), AT, each=5),
    "audit_no_page": shown(audit_card, (), AT, each=5, page=9),
    "audit_file": shown(audit_file, AUDIT),
    "questions": shown(questions_card, (QUESTION, OTHER)),
    "questions_many": shown(questions_card, tuple(replace(OTHER, token=f"{n}") for n in range(6)), BERLIN),
    "questions_none": shown(questions_card, ()),
    "alerts": shown(alerts_card, TOLD, KINDS),
    "alerts_off": shown(alerts_card, replace(TOLD, active=False, streams={}), KINDS),
    "alerts_kind": shown(kind_card, "fill", "on", KINDS["fill"], modes=MODES),
    "alerts_kind_changed": shown(kind_card, "fill", "digest", KINDS["fill"], modes=MODES, before="on"),
    "alerts_here": shown(place_card, "telegram:-1001", told=True, news=True),
    "alerts_not_here": shown(place_card, "telegram:-1001", told=False, news=False),
    "alerts_stream": shown(stream_card, "risk", "telegram:-1001", "telegram:-1001", "telegram:-1001/15"),
    "alerts_stream_home": shown(stream_card, "risk", "telegram:-1001", "telegram:-1001/15", "telegram:-1001"),
    "wish": shown(wish_card, "pin", "on", owner="person:ann", help=PIN.help, range=PIN.range, choices=PIN.choices),
    "wish_changed": shown(wished_card, "quiet", "off", "22:00-07:00", owner="telegram:-1001"),
    "wish_same": shown(wished_card, "quiet", "off", "off", owner="person:ann"),
    "health_ill": shown(health_card, examples.a_status(capabilities=ILL), 1234, load("desk"), BERLIN),
    "health_held_back": shown(health_card, examples.a_held_back_status(), 1234, load("desk")),
    "health_well": shown(health_card, WELL, 1_234_567, load("desk")),
    "health_halted": shown(health_card, HALTED, 1234, load("desk"), BERLIN),
    "logs": shown(logs_card, ("12:00:00 INFO one", "12:00:01 WARNING two")),
    "logs_cut": shown(logs_card, LOG),
    "logs_one": shown(logs_card, ("12:00:00 INFO one",)),
    "logs_none": shown(logs_card, ()),
    "undelivered": shown(undelivered_card, [(LETTER, SAYS)], 1, AT, BERLIN),
    "undelivered_page": shown(undelivered_card, [(LETTER, SAYS)] * 10, 2, AT, BERLIN),
    "undelivered_none": shown(undelivered_card, (), 1, AT, BERLIN),
    "undelivered_file": shown(undelivered_file, [(LETTER, SAYS)]),
    "help": shown(help_card, SOME, Role.OPERATOR),
    "help_command": shown(command_card, COMMANDS["users"], Role.VIEWER),
    "help_action": shown(command_card, COMMANDS["users add"], Role.ADMIN),
    "help_reads": shown(command_card, COMMANDS["status"], Role.VIEWER),
}
