"""Whatever anybody types, taps or fills in, anywhere: an answer or a refusal, and no change without role and yes.

Over the whole catalogue, all roles and none, private chats, rooms that are listed and others, topics. The judge is in
tests/crowd.py.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.catalogue import COMMANDS, Effect, Entry, find
from bot.surface import AGAIN, ASK, CANCEL, CONFIRM, Role
from tests.chat.house import IDS, House, a_house_of
from tests.crowd import PLACES, PLATFORMS, ROOMS, WHO, Crowd, Move
from tests.risk_examples import ETH, shut_down
from trading.messages import ClosePosition, Halt, LockPair

# --- what is tried --------------------------------------------------------------------------------------------------

_JUNK = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "-1", "0", "9" * 40, "nan", "1e99", "page=0", "*", "%", "=", "<b>", "\x00", "🜁" * 30, "../x", "'"]
    ),
)
_CHOICE = st.one_of(st.integers(0, 60), st.integers(0, 3), st.none(), _JUNK)
_SUITING = st.one_of(st.integers(0, 60), st.integers(0, 3))
_WHERE: dict[str, Any] = {
    "who": st.sampled_from(("ann", *WHO)),
    "platform": st.sampled_from(PLATFORMS),
    "place": st.sampled_from(("private", *PLACES)),
    "later": st.sampled_from((0, 0, 0, 0, 1, 130)),
}
_DATA = st.builds(
    str.__add__,
    st.sampled_from([CONFIRM, CANCEL, ASK, AGAIN, f"{ASK}/", f"{AGAIN}/", ""]),
    st.one_of(_JUNK, st.text(alphabet="0123456789abcdef", min_size=16, max_size=16), st.sampled_from(sorted(COMMANDS))),
)
_TEXT = st.one_of(
    st.builds(str.__add__, st.sampled_from(["", "/", "/@", *(f"/{path} " for path in COMMANDS)]), _JUNK),
    st.from_regex(r"[0-9]{4,6}", fullmatch=True),
    st.sampled_from(["yes", "no", "/", "/halt@GavelTestBot now", "/HALT", "/users\nadd telegram:5 admin"]),
)


def a_line(path: str) -> st.SearchStrategy[Move]:
    """A command with arguments that mostly suit."""
    args = COMMANDS[path].args
    choices = st.tuples(*((_SUITING if a.required else _CHOICE) for a in args)) | st.tuples(*(_CHOICE for _ in args))
    return st.builds(Move, line=st.just(path), choices=choices, **_WHERE)


_TAPS = st.builds(Move, tap=st.integers(-9, 400), text=st.sampled_from(("", "$code", "$code", "0000", "x")), **_WHERE)
_ANSWERS = st.builds(Move, answers=st.sampled_from(("own", "others")), **_WHERE)
_FORGED = st.builds(Move, data=_DATA, text=_JUNK, **_WHERE)
_TYPED = st.builds(Move, text=_TEXT, **_WHERE)


@st.composite
def afternoons(draw: st.DrawFn) -> list[Move]:
    """Every command once, in some order, and after each whatever else comes to people's minds."""
    moves = []
    for path in draw(st.permutations(sorted(COMMANDS))):
        asked = draw(a_line(path))
        moves.append(asked)
        if draw(st.booleans()):  # he is asked, and says yes: there or elsewhere, now or too late
            moves.append(replace(draw(_ANSWERS), who=asked.who, answers="own"))
        elif draw(st.booleans()):
            moves.append(draw(st.one_of(_ANSWERS, _TAPS, _FORGED, _TYPED)))
    return moves


# --- where ----------------------------------------------------------------------------------------------------------


async def furnish(house: House, *, halted: bool = False, shut: bool = False, two: bool = False) -> None:
    """Something of everything: a position, a closed trade, a lock, rooms that watch. `two`: there are two admins."""
    for room in ROOMS:
        await house.directory.add(room, Role.VIEWER, name=room, by="a test")
    if two:
        await house.directory.add(f"telegram:{IDS['bea']}", Role.ADMIN, name="Bea", by="a test")
    desk = house.bench.desk
    await desk.obey(ClosePosition(position_id=(await house.bench.enter(ETH)).id, by="a test"))
    await house.hold()
    await desk.obey(LockPair(symbol=ETH, by="a test"))
    if halted:
        await desk.obey(Halt(by="a test"))
    if shut:
        desk.book.note(breaker=shut_down())
    await desk.settle()


@asynccontextmanager
async def a_crowd(**furniture: bool) -> AsyncIterator[Crowd]:
    with TemporaryDirectory() as directory:
        async with a_house_of(Path(directory)) as house:
            await furnish(house, **furniture)
            yield Crowd(house)


async def live_through(moves: list[Move], seen: Counter[str], **furniture: bool) -> None:
    async with a_crowd(**furniture) as crowd:
        for move in moves:
            await crowd.put(move)
        await crowd.audited()
        seen.update(crowd.reached)


@contextmanager
def nothing_loud(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        yield
    loud = [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
    assert loud == [], [r.getMessage() for r in loud]


def test_nobody_gets_anything_done_without_role_and_yes(caplog: pytest.LogCaptureFixture) -> None:
    seen: Counter[str] = Counter()

    # An afternoon takes a second: a fault names its request, and is not sought again in a thousand shorter ones.
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(moves=afternoons(), halted=st.booleans(), shut=st.booleans(), two=st.booleans())
    def check(moves: list[Move], halted: bool, shut: bool, two: bool) -> None:
        with nothing_loud(caplog):
            asyncio.run(live_through(moves, seen, halted=halted, shut=shut, two=two))

    check()
    assert COMMANDS.keys() - seen.keys() == set(), "commands that nobody has reached"


# --- every question, and who may answer it ----------------------------------------------------------------------------

DEEDS = (  # in an order in which each has something to do
    "/set judge.min_confidence 0.7",
    "/undo",
    "/phase set calm max_positions=4",
    "/phase use calm",
    "/users add telegram:99 viewer Zoe",
    "/users role vera operator",
    "/users role vera viewer",
    "/users link zoe telegram:98",
    "/users unlink telegram:98",
    "/users remove zoe",
    "/breaker override alert for 30m",
    "/breaker end",
    "/close BTC 50%",
    "/unlock ETH",
    "/enter ETH long",
    "/flatten",
    "/resume",
    "/playbook new fresh from desk judge.min_confidence=0.7",
    "/breaker reset",
    "/playbook use sigma",
)
# They ask for nothing here: there is no venue, nothing is in shadow, and no file has changed.
IDLE = {"mode live", "mode paper", "shadow add", "shadow remove", "reload", "wallet accept"}


async def test_a_yes_counts_from_who_was_asked_in_time_once(caplog: pytest.LogCaptureFixture) -> None:
    done = set()
    async with a_crowd() as crowd:
        with nothing_loud(caplog):
            for line in DEEDS:
                if line == "/breaker reset":
                    crowd.house.bench.desk.book.note(breaker=shut_down())
                await crowd.settle()
                await refused(crowd, line)
                entry = await said_yes(crowd, line)
                done.add(entry.path)
            await crowd.audited()
    asking = {path for path, entry in COMMANDS.items() if entry.effect in (Effect.ASKS, Effect.CODE)}
    assert asking - done == IDLE


async def refused(crowd: Crowd, line: str) -> None:
    """By all the others, by a no, and by a yes that comes too late; each time it is asked anew."""
    entry, _ = find(line)
    assert entry is not None
    await crowd.put(Move(text=line, place="room"))
    for who in ("otto", "vera", "bea", "eve"):
        for place in PLACES:
            await crowd.put(Move(who=who, place=place, answers="others"))
            assert not crowd.changed
    if entry.effect is Effect.CODE:
        await crowd.put(Move(answers="own", text="00000"))
        assert not crowd.changed
    await crowd.put(Move(answers="own", later=130))
    assert not crowd.changed
    await crowd.put(Move(text=line))
    await crowd.put(Move(answers="own", cancels=True))
    await crowd.put(Move(answers="own"))
    assert not crowd.changed


async def said_yes(crowd: Crowd, line: str) -> Entry:
    """On one platform asked, on the other answered."""
    entry, _ = find(line)
    assert entry is not None
    asked = await crowd.put(Move(text=line))
    assert asked is not None
    assert asked.token, asked.plain()
    assert not crowd.changed
    done = await crowd.put(Move(answers="own", platform="discord"))
    assert crowd.changed, done
    await crowd.put(Move(answers="own"))
    assert not crowd.changed
    return entry


# --- suggestions ------------------------------------------------------------------------------------------------------


def test_suggestions_are_words_of_the_roles_own_commands_whatever_is_typed() -> None:
    async def look() -> None:
        async with a_crowd() as crowd:

            @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
            @given(move=_TYPED, path=st.sampled_from(sorted(COMMANDS)) | _JUNK, nth=st.integers(0, 5), typed=_JUNK)
            def check(move: Move, path: str, nth: int, typed: str) -> None:
                entry = COMMANDS.get(path)
                names = [a.name for a in entry.args] if entry else []
                argument = names[nth % len(names)] if names else typed
                crowd.require_suggestions(move, path, argument, typed)

            check()

    asyncio.run(look())
