"""What is said about people, wishes, alerts and the desk itself: word for word, and within every chat's limits."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

import bot.commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS
from bot.render.alerts import render_event
from bot.render.health import health_card
from bot.render.people import audit_card, audit_file, person_card, questions_card, users_card
from bot.render.system import (
    budget_card,
    command_card,
    logs_card,
    undelivered_card,
    undelivered_file,
)
from bot.render.wishes import Told, alerts_card, kind_card, place_card, stream_card, wish_card, wished_card
from bot.render.words import TITLE_LIMIT, RenderContext
from bot.routing import KINDS, MODES, Routing
from bot.surface import Card, Role
from bot.wishes import WISHES
from storage.confirmations import OpenQuestion
from storage.outbox import DeadLetter
from storage.people import Person
from tests import surface_examples as examples
from tests.goldens import as_text, check_golden
from tests.risk_examples import AT
from trading import messages as m
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
EVENTS: dict[str, m.Event] = {
    "person_added": m.PeopleChanged(
        at=AT, by="Ana (telegram:7)", person="ann-lee", what="added", before="", after="operator telegram:7"
    ),
    "person_removed": m.PeopleChanged(
        at=AT, by="Ana (telegram:7)", person="ann-lee", what="removed", before="operator telegram:7", after=""
    ),
    "person_role": m.PeopleChanged(
        at=AT, by="Ana (telegram:7)", person="ann-lee", what="role", before="viewer", after="admin"
    ),
    "person_linked": m.PeopleChanged(
        at=AT, by="console:owner", person="ann-lee", what="linked", before="telegram:7", after="discord:9 telegram:7"
    ),
    "person_unlinked": m.PeopleChanged(
        at=AT, by="console:owner", person="ann-lee", what="unlinked", before="discord:9 telegram:7", after="telegram:7"
    ),
    "wish_changed": m.WishChanged(
        at=AT, by="Ana (telegram:7)", owner="person:ana", wish="quiet", before="off", after="22:00-07:00"
    ),
}
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
    EVENTS["wish_changed"],
    EVENTS["person_role"],
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
LETTER = DeadLetter(
    destination="telegram:8", event=examples.events()["halted"], queued_at=AT, error="Forbidden: bot was blocked"
)
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
PIN = WISHES["pin"]

CARDS: dict[str, Card] = {
    "users": users_card(PEOPLE),
    "user": person_card("Ann Lee: viewer -> operator", ANN),
    "audit": audit_card(AUDIT, AT, BERLIN, each=5, page=2, more=True),
    "audit_none": audit_card((), AT, each=5),
    "audit_file": audit_file(AUDIT),
    "questions": questions_card(
        (QUESTION, replace(QUESTION, token="77", command="/resume", summary="resume?", code=""))
    ),
    "questions_none": questions_card(()),
    "alerts": alerts_card(TOLD, KINDS),
    "alerts_off": alerts_card(replace(TOLD, active=False, streams={}), KINDS),
    "alerts_kind": kind_card("fill", "on", KINDS["fill"], modes=MODES),
    "alerts_kind_changed": kind_card("fill", "digest", KINDS["fill"], modes=MODES, before="on"),
    "alerts_here": place_card("telegram:-1001", told=True, news=True),
    "alerts_not_here": place_card("telegram:-1001", told=False, news=False),
    "alerts_stream": stream_card("risk", "telegram:-1001", "telegram:-1001", "telegram:-1001/15"),
    "alerts_stream_home": stream_card("risk", "telegram:-1001", "telegram:-1001/15", "telegram:-1001"),
    "wish": wish_card("pin", "on", owner="person:ann", help=PIN.help, range=PIN.range, choices=PIN.choices),
    "wish_changed": wished_card("quiet", "off", "22:00-07:00", owner="telegram:-1001"),
    "wish_same": wished_card("quiet", "off", "off", owner="person:ann"),
    "health_ill": health_card(examples.a_status(capabilities=ILL), 1234, load("desk"), BERLIN),
    "health_held_back": health_card(examples.a_held_back_status(), 1234, load("desk")),
    "budget": budget_card(),
    "logs": logs_card(("12:00:00 INFO one", "12:00:01 WARNING two")),
    "logs_none": logs_card(()),
    "undelivered": undelivered_card([(LETTER, "PAPER HALTED by Ana (telegram:7): news")], 1, AT, BERLIN),
    "undelivered_none": undelivered_card((), 1, AT, BERLIN),
    "undelivered_file": undelivered_file([(LETTER, "PAPER HALTED by Ana (telegram:7): news")]),
    "help_command": command_card(COMMANDS["users"], Role.VIEWER),
    "help_action": command_card(COMMANDS["users add"], Role.ADMIN),
}


@pytest.mark.parametrize("name", CARDS)
def test_card_is_worded_as_agreed(name: str) -> None:
    check_golden(f"card_{name}", as_text(CARDS[name]))


@pytest.mark.parametrize("name", EVENTS)
def test_alert_is_worded_as_agreed(name: str) -> None:
    made = render_event(EVENTS[name], RenderContext())
    assert made is not None
    check_golden(f"alert_{name}", as_text(made))


@pytest.mark.parametrize("name", CARDS)
def test_cards_are_within_the_limits(name: str) -> None:
    made = CARDS[name]
    assert len(made.title) <= TITLE_LIMIT - len("PAPER ")
    assert len(made.plain()) <= 4096
    assert all(len(b.data.encode()) <= 64 for b in made.buttons)
    assert all(len(line) <= 200 for line in (*made.body(), *made.detail))


@pytest.mark.parametrize("what", ["added", "removed", "role", "linked", "unlinked", "renamed"])
def test_a_change_of_people_fits_its_title_whatever_the_name(what: str) -> None:
    event = m.PeopleChanged(at=AT, by="x", person="n" * 40, what=what, before="viewer", after="operator")
    made = render_event(event, RenderContext())
    assert made is not None
    assert len(made.title) <= TITLE_LIMIT
    assert "n" * 40 in made.plain()
