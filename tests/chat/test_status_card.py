"""The pinned status card: when it is edited, sent anew, or left alone; and questions that are over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.expiry import Expiry
from bot.render.standing import over_card, pinned_card, unpinned_card
from bot.render.words import RenderContext
from bot.status_card import StatusCards, wanted
from bot.surface import Card, ChatDown, ChatRefused
from storage.confirmations import Confirmations
from storage.database import Database
from storage.pins import Pins
from tests.chat.posts import DISCORD, MINUTE, PHONE, SECOND, START, TERMINAL
from tests.risk_examples import BTC, ETH
from tests.storage_builders import a_database
from tests.surface_examples import AT, a_held_back_status, a_status
from trading.clock import ManualClock
from trading.model import Direction, TradingState
from trading.state import PairLock
from trading.status import Armed, Capability

ABOUT = RenderContext()


@dataclass
class Screen:
    """A chat whose messages can be edited and pinned. `fault` meets every call."""

    platform: str = "telegram"
    shown: dict[str, Card] = field(default_factory=dict)  # by reference
    sent: list[str] = field(default_factory=list)  # places
    edits: int = 0
    pinned: list[str] = field(default_factory=list)
    fault: Exception | None = None
    pin_fault: Exception | None = None
    hangs: bool = False

    async def _meet(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault

    async def send(self, destination: str, card: Card, *, key: str, silent: bool, reply_to: str = "") -> str:
        await self._meet()
        assert silent
        self.sent.append(destination)
        reference = f"m{len(self.sent)}"
        self.shown[reference] = card
        return reference

    async def edit(self, destination: str, reference: str, card: Card) -> bool:
        await self._meet()
        if reference not in self.shown:
            return False
        self.edits += 1
        self.shown[reference] = card
        return True

    async def pin(self, destination: str, reference: str) -> None:
        if self.pin_fault is not None:
            raise self.pin_fault
        self.pinned.append(reference)


@dataclass
class Board:
    """Status cards over a real database. `says` is the desk's status."""

    database: Database
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    screen: Screen = field(default_factory=Screen)
    other: Screen = field(default_factory=lambda: Screen(platform="discord"))
    says: str = "active"
    to: tuple[str, ...] = (PHONE,)
    unwanted: set[str] = field(default_factory=set)

    def cards(self) -> StatusCards:
        return StatusCards(
            chats={"telegram": self.screen, "discord": self.other},
            destinations=lambda: self.to,
            wanted=lambda there: there not in self.unwanted,
            card=lambda there: Card(title=self.says),
            farewell=lambda there: Card(title="off"),
            pins=Pins(self.database),
            wall=self.wall,
            patience=timedelta(milliseconds=50),
        )

    async def after(self, seconds: int, says: str, cards: StatusCards) -> None:
        self.wall.advance(seconds * SECOND)
        self.says = says
        await cards.refresh()


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    database = await a_database(tmp_path / "desk.db")
    yield Board(database)
    await database.close()


async def test_it_is_sent_pinned_and_then_edited_at_most_every_20_s(board: Board) -> None:
    cards, screen = board.cards(), board.screen
    await board.after(0, "a", cards)
    assert (screen.sent, screen.pinned, screen.edits) == ([PHONE], ["m1"], 0)
    for seconds in range(1, 60):
        await board.after(1, f"after {seconds}", cards)
    assert (screen.sent, screen.edits, screen.shown["m1"].title) == ([PHONE], 2, "after 40")


async def test_it_is_not_edited_when_nothing_has_changed(board: Board) -> None:
    cards = board.cards()
    for _ in range(9):
        await board.after(30, "a", cards)
    assert (board.screen.sent, board.screen.edits) == ([PHONE], 0)


async def test_one_that_is_gone_is_sent_and_pinned_anew(board: Board) -> None:
    cards = board.cards()
    await board.after(0, "a", cards)
    board.screen.shown.clear()
    await board.after(30, "b", cards)
    assert board.screen.pinned == ["m1", "m2"]
    await board.after(30, "c", cards)
    assert (len(board.screen.sent), board.screen.shown["m2"].title) == (2, "c")


async def test_a_restart_goes_on_with_the_same_message(board: Board) -> None:
    await board.after(0, "a", board.cards())
    await board.after(30, "a", board.cards())
    await board.after(30, "b", board.cards())
    assert (board.screen.sent, board.screen.edits, board.screen.pinned) == ([PHONE], 1, ["m1"])


async def test_a_chat_that_is_down_is_left_alone_without_noise(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    cards = board.cards()
    board.screen.fault = ChatDown("no network")
    for _ in range(5):
        await board.after(30, "a", cards)
    assert caplog.records == []
    board.screen.fault = None
    await board.after(30, "b", cards)
    assert board.screen.sent == [PHONE]


async def test_who_has_blocked_us_is_tried_again_in_an_hour(board: Board) -> None:
    cards = board.cards()
    board.screen.fault = ChatRefused("blocked")
    await board.after(0, "a", cards)
    board.screen.fault = None
    await board.after(3599, "b", cards)
    assert board.screen.sent == []
    await board.after(1, "c", cards)
    assert board.screen.sent == [PHONE]


async def test_one_that_may_not_be_pinned_is_kept_all_the_same(board: Board) -> None:
    cards = board.cards()
    board.screen.pin_fault = ChatRefused("not enough rights")
    await board.after(0, "a", cards)
    await board.after(30, "b", cards)
    assert (board.screen.sent, board.screen.shown["m1"].title) == ([PHONE], "b")


async def test_one_chat_that_hangs_holds_up_no_other(board: Board) -> None:
    board.to, cards = (PHONE, DISCORD), board.cards()
    board.screen.hangs = True
    await board.after(0, "a", cards)
    await board.after(30, "b", cards)
    assert (board.other.sent, board.other.edits, board.screen.sent) == ([DISCORD], 1, [])
    await cards.close()


async def test_switched_off_it_says_so_once_and_switched_on_it_is_a_new_one(board: Board) -> None:
    cards = board.cards()
    await board.after(0, "a", cards)
    board.unwanted = {PHONE}
    await board.after(30, "b", cards)
    await board.after(30, "c", cards)
    assert (board.screen.shown["m1"].title, board.screen.edits) == ("off", 1)
    board.unwanted = set()
    await board.after(30, "d", cards)
    assert (board.screen.shown["m1"].title, board.screen.shown["m2"].title) == ("off", "d")
    board.to = ()  # no alerts go there any more
    await board.after(30, "e", cards)
    assert board.screen.shown["m2"].title == "off"


@pytest.mark.parametrize(
    ("destination", "owner", "wish", "expected"),
    [
        (PHONE, "person:ann", "", True),
        (PHONE, "person:ann", "off", False),
        ("telegram:-100", "telegram:-100", "", False),
        ("telegram:-100", "telegram:-100", "on", True),
        ("discord:55", "discord:55", "", True),
        ("discord:55", "discord:55", "off", False),
        (TERMINAL, "person:owner", "on", False),
    ],
)
def test_where_one_is_wanted(destination: str, owner: str, wish: str, expected: bool) -> None:
    assert wanted(destination, owner=owner, wish=wish) is expected


# --- its words --------------------------------------------------------------------------------------------------------


def test_it_says_the_desk_in_a_few_lines() -> None:
    status = a_status()
    made = pinned_card(status, status.at + 30 * SECOND, replace(ABOUT, zone=ZoneInfo("Europe/Berlin")))
    assert made.title == "PAPER active, equity 10,008.23, day +8.23"
    assert made.lines == (
        "Entries allowed",
        "1 open, exposure 796.21",
        "▲ BTC long +1.07% +8.55",
        "Last decision: btc-k3f9x2pa long 0.71",
        "Breaker CLOSED",
        f"As of {(status.at).astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M} CEST",
        "simulated market",
    )


def test_it_says_what_holds_the_desk_back() -> None:
    locks = (
        PairLock(symbol=BTC, direction=None, until=None, by="ann", at=AT),
        PairLock(symbol=ETH, direction=Direction.LONG, until=AT + 60 * MINUTE, by="ann", at=AT),
    )
    ill = (Capability(name="telegram", state=Armed.DEGRADED, why="x"), Capability(name="whale", state=Armed.OFF))
    status = a_held_back_status(locks=locks, capabilities=ill, trading=TradingState.HALTED, halted_by="Ana")
    made = pinned_card(status, status.at, ABOUT)
    assert made.title.startswith("PAPER HALTED, ")
    assert "Halted by Ana. Exits and protection go on." in made.lines
    assert f"Locked: BTC; ETH long until {AT + 60 * MINUTE:%Y-%m-%d %H:%M} UTC" in made.lines
    assert "Trouble: telegram; /health says more" in made.lines
    assert "Breaker THROTTLE" in made.lines


def test_a_replayed_markets_time_is_said_too() -> None:
    made = pinned_card(a_status(), START, ABOUT)
    assert "As of 2026-03-01 12:00 UTC" in made.lines
    assert f"Market time {a_status().at:%Y-%m-%d %H:%M} UTC" in made.lines


def test_within_a_minute_the_clock_changes_nothing() -> None:
    texts = {pinned_card(a_status(), START + n * SECOND, ABOUT).plain() for n in range(60)}
    assert len(texts) == 1
    assert pinned_card(a_status(), START + MINUTE, ABOUT).plain() not in texts


# --- questions that are over ------------------------------------------------------------------------------------------


@dataclass
class Asking:
    confirmations: Confirmations
    wall: ManualClock
    screen: Screen
    expiry: Expiry

    async def ask(self, summary: str) -> str:
        token = await self.confirmations.ask("ann", PHONE, "/close BTC", summary)
        reference = await self.screen.send(PHONE, Card(title=summary), key="k", silent=True)
        await self.confirmations.shown(token, PHONE, reference)
        return token

    def titles(self) -> list[str]:
        return [card.title for card in self.screen.shown.values()]


@pytest.fixture
async def asking(board: Board) -> Asking:
    confirmations = Confirmations(board.database, board.wall)
    expiry = Expiry(
        questions=confirmations,
        chats={"telegram": board.screen},
        about=lambda there: ABOUT,
        name=lambda person: person.title(),
    )
    return Asking(confirmations, board.wall, board.screen, expiry)


async def test_a_question_that_expired_loses_its_buttons_once(asking: Asking) -> None:
    await asking.ask("close BTC?")
    await asking.expiry.sweep()
    assert asking.titles() == ["close BTC?"]
    asking.wall.advance(3 * MINUTE)
    await asking.expiry.sweep()
    await asking.expiry.sweep()
    assert (asking.titles(), asking.screen.edits) == (["PAPER expired: close BTC?"], 1)
    assert asking.screen.shown["m1"].buttons == ()
    assert asking.screen.shown["m1"].lines[0] == "Nobody answered until 2026-03-01 12:02 UTC: nothing was done."


async def test_one_that_was_answered_elsewhere_says_by_whom(asking: Asking) -> None:
    first, second = await asking.ask("close BTC?"), await asking.ask("close ETH?")
    await asking.confirmations.take(first, "ann")
    await asking.confirmations.cancel(second, "ann")
    await asking.expiry.sweep()
    assert asking.titles() == ["PAPER confirmed: close BTC?", "PAPER cancelled: close ETH?"]
    lines = [card.lines[0] for card in asking.screen.shown.values()]
    assert lines == [
        "Confirmed by Ann in another place, 2026-03-01 12:00 UTC. This is done.",
        "Cancelled by Ann in another place, 2026-03-01 12:00 UTC. Nothing was done.",
    ]


async def test_a_chat_that_is_down_is_asked_again_and_one_that_refuses_is_not(asking: Asking) -> None:
    await asking.ask("close BTC?")
    asking.wall.advance(3 * MINUTE)
    asking.screen.fault = ChatDown("cut")
    await asking.expiry.sweep()
    asking.screen.fault = None
    await asking.expiry.sweep()
    assert asking.titles() == ["PAPER expired: close BTC?"]
    await asking.ask("close ETH?")
    asking.wall.advance(3 * MINUTE)
    asking.screen.fault = ChatRefused("blocked")
    await asking.expiry.sweep()
    assert await asking.confirmations.lapsed() == []


def test_what_is_over_has_no_buttons() -> None:
    over = over_card("close BTC?", "/close BTC", "", by="", at=START, about=ABOUT)
    assert over.buttons == unpinned_card(START, ABOUT).buttons == ()
