"""What the alerts about orders by hand, locks, settings and the breaker say."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.render.alerts import render_event
from bot.render.orders import locks_card
from bot.render.words import RenderContext
from bot.surface import Card
from tests import risk_examples as risk
from tests.surface_examples import AT, BTC, ID
from trading import events as m
from trading.breaker import Level
from trading.model import Direction, PositionId
from trading.state import PairLock

ANA = "Ana (telegram:7)"
BERLIN = RenderContext(zone=ZoneInfo("Europe/Berlin"))
RISKY = risk.throttled(AT).causes


def alert(event: m.Event, about: RenderContext = RenderContext()) -> Card:  # noqa: B008 - frozen
    card = render_event(event, about)
    assert card is not None
    assert len(card.title) <= 60
    assert all(len(b.data.encode()) <= 64 for b in card.buttons)
    return card


def a_lock(**changes: object) -> m.PairLocked:
    made = m.PairLocked(at=AT, symbol=BTC, direction=None, until=None, by=ANA, reason="")
    return replace(made, **changes)  # type: ignore[arg-type]


SAID = (
    (a_lock(), "PAPER BTC both sides locked until it is unlocked", "No new entries there."),
    (
        a_lock(direction=Direction.SHORT, until=AT + timedelta(hours=2), reason="thin book"),
        "PAPER BTC short locked until 18:05 CEST",
        "By Ana (telegram:7): thin book",
    ),
    (m.PairUnlocked(at=AT, symbol=BTC, by=ANA), "PAPER BTC unlocked by Ana (telegram:7)", "The desk may enter there"),
    (
        m.Flattened(at=AT, by=ANA, positions=(PositionId(ID),), withdrawn=2),
        "PAPER FLATTEN by Ana (telegram:7)",
        f"Closing 1 position at the market: {ID}",
    ),
    (m.Flattened(at=AT, by=ANA, positions=(), withdrawn=2), "PAPER FLATTEN by Ana (telegram:7)", "withdrawn: 2"),
    (
        m.ApprovalAsked(at=AT, by=ANA, what="reset the breaker and resume", token="ab12", until=AT),
        "PAPER APPROVE? reset the breaker and resume",
        "Ana (telegram:7) asks to reset the breaker and resume",
    ),
    (
        m.PlaybookWritten(at=AT, by=ANA, playbook="calm", parent="desk"),
        "PAPER new playbook calm",
        "Made in the chat by Ana (telegram:7), from desk",
    ),
    (
        m.SettingsChanged(at=AT, by=ANA, version=6, changes=(("phases.final.max_hold", "6h", "4h"),), undone=5),
        "PAPER Undone: phase final, max_hold: 6h -> 4h",
        "It takes version 5 back.",
    ),
    (
        m.SettingsChanged(at=AT, by=ANA, version=5, changes=(("limits.max_risk", "0.02", "0.01"),)),
        "PAPER limits.max_risk: 2% -> 1%",
        "/undo takes it back; it asks first.",
    ),
)


@pytest.mark.parametrize(("event", "title", "part"), SAID)
def test_it_is_said(event: m.Event, title: str, part: str) -> None:
    card = alert(event, BERLIN)
    assert card.title == title
    assert part in card.plain()


def test_several_settings_are_counted_in_the_title_and_said_below() -> None:
    changes = (("limits.max_risk", "0.02", "0.01"), ("judge.drag", "0.5", "0.4"))
    card = alert(m.SettingsChanged(at=AT, by=ANA, version=6, changes=changes, undone=5))
    assert card.title == "PAPER Undone: 2 settings as before"
    assert card.lines[:2] == ("limits.max_risk: 2% -> 1%", "judge.drag: 0.5 -> 0.4")


def test_an_approval_can_be_given_declined_or_looked_into() -> None:
    card = alert(m.ApprovalAsked(at=AT, by=ANA, what="reset the breaker", token="ab12", until=AT))
    assert [b.data for b in card.buttons] == ["cf:ab12", "no:ab12", "do:/breaker"]
    assert (
        "until 2024-05-03 16:05 CEST"
        in alert(m.ApprovalAsked(at=AT, by=ANA, what="reset the breaker", token="ab12", until=AT), BERLIN).plain()
    )


# --- the breaker under an override ------------------------------------------------------------------------------------


def test_a_trip_says_what_works_where_an_override_stands_over_it() -> None:
    tripped = m.BreakerTripped(at=AT, before=Level.CLOSED, after=Level.ALERT, causes=RISKY[:1], in_force=Level.HALT)
    card = alert(tripped)
    assert "BREAKER ALERT" in card.title
    assert "An override keeps HALT in force. No new entries." in card.plain()
    assert "Works: exits, protection, reconciliation, commands" in card.lines


@pytest.mark.parametrize("in_force", [None, Level.ALERT])
def test_a_trip_without_an_override_says_nothing_of_one(in_force: Level | None) -> None:
    tripped = m.BreakerTripped(at=AT, before=Level.CLOSED, after=Level.ALERT, causes=RISKY[:1], in_force=in_force)
    card = alert(tripped)
    assert "override" not in card.plain()
    assert "Works: entries, exits, protection, reconciliation, commands" in card.lines


def test_a_way_down_or_a_reset_under_an_override_says_what_stays() -> None:
    down = m.BreakerRecovered(at=AT, before=Level.ALERT, after=Level.CLOSED, until=None, in_force=Level.HALT)
    reset = m.BreakerReset(at=AT, by=ANA, before=Level.SHUTDOWN, in_force=Level.HALT)
    for event in (down, reset):
        assert "An override keeps HALT in force. No new entries." in alert(event).plain()
    assert "override" not in alert(replace(reset, in_force=None)).plain()


# --- /locks -----------------------------------------------------------------------------------------------------------


def test_many_locks_come_in_pages() -> None:
    locks = [PairLock(symbol=BTC, direction=None, until=None, by=ANA, at=AT, reason=f"reason {n}") for n in range(20)]
    first, last = locks_card(locks, AT), locks_card(locks, AT, page=3)
    assert (first.buttons[-1].data, first.lines[-2]) == ("re:/locks page=2", "Page 1 of 3")
    assert "reason 19" in last.plain()
    assert "reason 0" not in last.plain()
