"""When many alerts become one card: a burst, an outage, a digest that was asked for, the same fault again and again."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.delivery import REPEAT
from bot.render.alerts import render_event
from bot.render.words import RenderContext
from bot.surface import Card, ChatDown, ChatRefused
from storage.database import Database
from storage.outbox import Lane, Outbox, Route
from tests.chat.posts import (
    MINUTE,
    PHONE,
    SECOND,
    SOON,
    START,
    TERMINAL,
    PacedPhone,
    Phone,
    Post,
    Terminal,
    a_post,
    note,
    risk,
    running,
    until,
)
from tests.risk_examples import BTC, ETH
from tests.surface_examples import an_order
from trading import events as m
from trading.breaker import Level
from trading.model import OrderStatus


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as made:
        yield made


def notes(first: int, last: int) -> list[m.Event]:
    return [note(f"d{n}") for n in range(first, last)]


def routed(lane: Lane, *, bundle: str = "", critical: bool = False) -> Callable[[m.Event], Sequence[Route]]:
    return lambda _: [Route(destination=PHONE, lane=lane, bundle=bundle, critical=critical)]


# --- a burst ----------------------------------------------------------------------------------------------------------


async def test_five_hundred_decisions_in_ten_seconds_and_the_breaker_goes_first(post: Post) -> None:
    phone = PacedPhone()
    async with running(post.delivery(phone)):
        await post.tell(*notes(0, 5))
        phone.let()
        await until(lambda: phone.titles() == ["d0"])
        for begin in range(5, 500, 45):
            post.wall.advance(SECOND)
            await post.tell(*notes(begin, begin + 45))
        await post.tell(risk("breaker HALT"))
        for turn in range(2, 4):
            phone.let()
            await until(lambda turn=turn: len(phone.told) == turn)  # type: ignore[misc]
        await post.all_told()
    assert phone.titles() == ["d0", "breaker HALT", "PAPER 499 alerts, last: d499"]
    summary = phone.told[-1].card
    assert summary.lines[:3] == ("Last: d499", "· d498", "· d497")
    assert "and 487 more: trading resumed 499 in all" in summary.lines


async def test_ten_at_once_are_ten_messages_and_eleven_are_one(post: Post) -> None:
    phone = Phone()
    await post.tell(*notes(0, 10))
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles() == [f"d{n}" for n in range(10)]
    await post.tell(*notes(10, 21))
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles()[10:] == ["PAPER 11 alerts, last: d20"]


async def test_a_burst_of_fills_is_told_one_by_one(post: Post) -> None:
    phone = Phone()
    post.routes = routed(Lane.FILL)
    await post.tell(*notes(0, 40))
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles() == [f"d{n}" for n in range(40)]


async def test_a_terminal_has_no_limits_and_gets_each_card(post: Post) -> None:
    post.to, terminal = (TERMINAL,), Terminal()
    await post.tell(*notes(0, 100))
    assert await post.delivery(terminal).drain(SOON) == 0
    assert len(terminal.shown) == 100


# --- an outage --------------------------------------------------------------------------------------------------------


async def test_after_an_outage_fills_come_in_order_marked_late_and_decisions_as_one_card(post: Post) -> None:
    phone = Phone()
    await post.tell(*notes(0, 4))
    post.routes = routed(Lane.FILL)
    await post.tell(note("fill 1"), note("fill 2"))
    post.routes = post.usual
    await post.tell(risk("halted"))
    post.wall.advance(14 * MINUTE)
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles() == ["halted", "fill 1", "fill 2", "PAPER 4 alerts, last: d3"]
    late = "late: queued 12:00 UTC, 14 min ago"
    assert [told.card.lines for told in phone.told[:3]] == [(late,)] * 3
    assert phone.told[3].card.lines == (
        "Last: d3",
        "· d2",
        "· d1",
        "· d0",
        "late: the first of them was queued 12:00 UTC, 14 min ago",
        "simulated market",
    )


async def test_two_that_are_late_are_told_one_by_one(post: Post) -> None:
    phone = Phone()
    await post.tell(*notes(0, 2))
    post.wall.advance(14 * MINUTE)
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles() == ["d0", "d1"]


async def test_a_card_of_many_that_was_not_taken_goes_again_as_it_was(post: Post) -> None:
    phone = PacedPhone(faults=[ChatDown("cut")])
    async with running(post.delivery(phone)):
        await post.tell(*notes(0, 20))
        phone.let()
        await until(lambda: not phone.faults)
        await post.tell(*notes(20, 23))
        phone.let(9)
        await post.all_told()
    assert phone.titles() == ["PAPER 20 alerts, last: d19", "d20", "d21", "d22"]


async def test_a_card_of_many_that_is_refused_is_as_many_dead_letters(post: Post) -> None:
    phone = Phone(faults=[ChatRefused("blocked")])
    await post.tell(*notes(0, 20))
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.told == []
    assert len(await post.outbox.dead(99)) == 20


async def test_a_card_of_many_that_may_have_been_sent_before_a_crash_says_so(post: Post) -> None:
    await post.tell(*notes(0, 20))
    them = await post.outbox.crowd(PHONE, 99, 3)
    assert them is not None
    await post.outbox.sending(them.ids)
    phone = Phone()
    assert await post.delivery(phone).drain(SOON) == 0
    assert phone.titles() == ["PAPER 20 alerts, last: d19"]
    assert phone.told[0].card.lines[-1] == REPEAT


# --- a digest that was asked for --------------------------------------------------------------------------------------


async def test_what_goes_into_the_digest_waits_for_its_hour_and_does_not_ring(post: Post) -> None:
    phone, delivery = Phone(), None
    delivery = post.delivery(phone)
    post.routes = routed(Lane.DECISION, bundle="digest")
    async with running(delivery):
        await post.tell(*notes(0, 30))
        post.wall.advance(59 * MINUTE)
        await delivery.tick()
        post.routes = post.usual
        await post.tell(risk("halted"))
        await until(lambda: phone.titles() == ["halted"])
        assert [bundle.count for bundle in await post.outbox.held()] == [30]
        post.wall.advance(MINUTE)
        await delivery.tick()
        await until(lambda: len(phone.told) == 2)
        await post.all_told()
    digest = phone.told[1]
    assert (digest.card.title, digest.silent) == ("PAPER 30 alerts, last: d29", True)
    assert "The digest since 12:00 UTC" in digest.card.lines
    assert await post.outbox.held() == []


async def test_a_digest_survives_a_restart_and_a_chat_that_is_down(post: Post, tmp_path: Path) -> None:
    post.routes = routed(Lane.DECISION, bundle="digest")
    await post.tell(*notes(0, 3))
    post.wall.advance(timedelta(hours=2))
    database = await Database.open(tmp_path / "desk.db")
    phone = Phone(faults=[ChatDown("cut"), ChatDown("cut")])
    delivery = post.delivery(phone, outbox=Outbox(database, post.wall))
    async with running(delivery):
        await delivery.tick()
        await until(lambda: len(phone.told) == 1)
        await post.all_told()
    await database.close()
    assert phone.titles() == ["PAPER 3 alerts, last: d2"]


async def test_a_terminal_gets_its_digest_too(post: Post) -> None:
    terminal = Terminal()
    delivery = post.delivery(terminal)
    post.routes = lambda _: [Route(destination=TERMINAL, lane=Lane.DECISION, bundle="digest")]
    await post.tell(*notes(0, 3))
    post.wall.advance(timedelta(hours=1))
    async with running(delivery):
        await delivery.tick()
        await until(lambda: len(terminal.shown) == 1)
        await post.all_told()
    assert [card.title for card in terminal.shown.values()] == ["PAPER 3 alerts, last: d2"]


# --- the same fault again and again -----------------------------------------------------------------------------------


def lost(n: int = 0) -> m.Event:
    return m.VenueLost(at=START, detail=f"no answer, try {n}")


def rejected(symbol: str) -> m.Event:
    return m.OrderEnded(at=START, order=an_order(symbol=symbol, status=OrderStatus.REJECTED, note="no margin"))


def short(event: m.Event, about: RenderContext) -> Card | None:
    made = render_event(event, about)
    return made and Card(title=made.title.removeprefix("PAPER "), lines=tuple(x for x in made.lines if "more" in x))


class Faults:
    """A running delivery on a clock that goes second by second."""

    def __init__(self, post: Post) -> None:
        self.post, self.phone = post, Phone()
        post.routes = routed(Lane.RISK, critical=True)
        self.delivery = post.delivery(self.phone, render=short)

    async def at(self, minutes: float, *events: m.Event) -> None:
        """What happens then, and all that is told by then."""
        self.post.wall.set(START + timedelta(minutes=minutes))
        await self.post.tell(*events)
        await self.post.all_told()
        await self.delivery.tick()
        due = [b for b in await self.post.outbox.held() if b.due_at <= self.post.wall.now()]
        for bundle in due:
            await until(lambda bundle=bundle: bundle.bundle not in self.delivery._line(PHONE).due)  # type: ignore[misc]
        async with self.delivery._line(PHONE).busy:
            return

    def told(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(told.card.title, told.card.lines) for told in self.phone.told]


async def test_the_same_fault_is_told_at_once_then_after_1_5_15_and_60_minutes(post: Post) -> None:
    faults = Faults(post)
    async with running(faults.delivery):
        await faults.at(0, lost())
        for tenth in range(1, 10):
            await faults.at(tenth / 10, lost(tenth))
        assert len(faults.phone.told) == 1
        await faults.at(1)
        assert faults.told()[1:] == [
            ("VENUE LOST, entries frozen", ("9 more times since 12:00 UTC; the same is told less and less often",))
        ]
        times = []
        for minute in range(2, 200):
            before = len(faults.phone.told)
            await faults.at(minute, lost(minute))
            times += [minute] if len(faults.phone.told) > before else []
    assert times == [6, 21, 81, 141]  # 1 + 5, + 15, + 60, + 60
    assert faults.told()[2][1][0].startswith("5 more times since 12:01 UTC")
    assert faults.told()[3][1][0].startswith("15 more times since 12:06 UTC")


async def test_after_an_hour_of_quiet_a_fault_is_new(post: Post) -> None:
    faults = Faults(post)
    async with running(faults.delivery):
        await faults.at(0, lost())
        await faults.at(2, lost())  # its minute is over
        await faults.at(3, lost())
        assert len(faults.phone.told) == 2
        await faults.at(7)
        await faults.at(7 + 15 + 61, lost())
        await faults.at(7 + 15 + 61 + 1.01)
        await faults.at(7 + 15 + 61 + 1.02, lost())
    assert [bool(lines) for _, lines in faults.told()] == [False, False, True, False, False]


async def test_that_it_is_back_is_told_at_once_but_never_before_what_is_held_back(post: Post) -> None:
    faults, back = Faults(post), m.VenueBack(at=START, lost_at=START)
    async with running(faults.delivery):
        await faults.at(0, lost())
        await faults.at(0.1, back)
        assert [title for title, _ in faults.told()] == ["VENUE LOST, entries frozen", "venue back after 0 s"]
        await faults.at(0.2, lost())
        await faults.at(0.3, back)
        assert len(faults.phone.told) == 2
        await faults.at(1)
    assert [title for title, _ in faults.told()][2:] == ["venue back after 0 s"]


async def test_another_fault_is_not_the_same_one(post: Post) -> None:
    faults = Faults(post)
    async with running(faults.delivery):
        await faults.at(0, lost(), rejected(BTC), rejected(ETH), m.DeskFaulted(at=START, where="a", detail="x"))
        await faults.at(0.1, m.DeskFaulted(at=START, where="b", detail="x"), rejected(BTC))
    assert [title for title, _ in faults.told()] == [
        "VENUE LOST, entries frozen",
        "BTC buy order rejected (entry)",
        "ETH buy order rejected (entry)",
        "DESK FAULT, entries frozen: a",
        "DESK FAULT, entries frozen: b",
    ]


async def test_what_is_no_error_is_never_held_back(post: Post) -> None:
    faults = Faults(post)
    trips = [
        m.BreakerTripped(at=START, before=Level.CLOSED, after=Level.HALT, causes=()),
        m.TradingHalted(at=START, by="ann", reason="x"),
        m.OrderEnded(at=START, order=an_order(status=OrderStatus.CANCELLED)),
    ]
    async with running(faults.delivery):
        await faults.at(0, *trips)
        await faults.at(0.1, *trips)
    assert len(faults.phone.told) == 6


async def test_what_is_held_back_is_told_after_a_restart(post: Post) -> None:
    faults = Faults(post)
    async with running(faults.delivery):
        await faults.at(0, lost(0))
        await faults.at(0.5, lost(1), lost(2))
    later = Faults(post)
    async with running(later.delivery):
        await later.at(0.6)
        await later.at(0.7, lost(3))
        assert later.phone.told == []
        await later.at(1)
    assert later.told() == [
        ("VENUE LOST, entries frozen", ("3 more times since 12:00 UTC; the same is told less and less often",))
    ]
