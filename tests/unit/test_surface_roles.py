"""The whole catalogue at the gate: each command for each role in each place, and whatever else may be sent."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.catalogue import COMMANDS, Effect
from bot.surface import Identity, Request, Role
from tests.surfaces import ANA, EVE, OLA, OTTO, OWNER, WALL, Stage, staged
from trading import events as m
from trading.messages import Halt, LockPair

ROOM = "telegram:-1001"
# What their examples speak of is not so on this stage: they say it, and do nothing.
NOTHING_TO_DO = {"unlock", "mode live", "mode paper", "breaker reset", "breaker end", "wallet accept"}
NOTHING_TO_DO |= {"users role", "users remove", "users link", "users unlink"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


PLACES = (("", True), (ROOM, False), (f"{ROOM}/15", False))
RANKS = ((OLA, Role.VIEWER), (OTTO, Role.OPERATOR), (ANA, Role.ADMIN))


@pytest.mark.parametrize(("place", "private"), PLACES)
@pytest.mark.parametrize(("who", "role"), RANKS)
async def test_every_command_is_for_its_role_in_every_place(
    stage: Stage, who: Identity, role: Role, place: str, private: bool
) -> None:
    for path, entry in COMMANDS.items():
        before = len(stage.desk.obeyed)
        said = await stage.card(entry.example, who=who, place=place, private=private)
        refused = f"is for {entry.role.name.lower()}s" in said.plain()
        assert refused is (role < entry.role), f"{path} as {role.name} in {place or 'private'}: {said.plain()}"
        acted = len(stage.desk.obeyed) > before
        assert not acted or entry.effect is Effect.AT_ONCE, f"{path} acted without a question"
        assert not (refused and acted), path


@pytest.mark.parametrize(("place", "private"), PLACES)
async def test_a_stranger_reaches_no_command_in_any_place(stage: Stage, place: str, private: bool) -> None:
    for entry in COMMANDS.values():
        said = await stage.say(entry.example, who=EVE, place=place, private=private)
        assert said is None or said.plain() == "This desk is private."
    assert stage.desk.obeyed == []


async def test_in_a_listed_room_a_guest_watches_and_does_nothing(stage: Stage) -> None:
    await stage.tools.people.add(ROOM, Role.VIEWER, name="Room", by="test")
    for path, entry in COMMANDS.items():
        said = (await stage.card(entry.example, who=EVE, place=f"{ROOM}/15", private=False)).plain()
        refused = "is for " in said and "you are a viewer" in said
        may = entry.role is Role.VIEWER and entry.effect in (Effect.READS, Effect.OWN)
        assert may or refused, f"{path}: {said}"
    assert stage.desk.obeyed == []
    assert (await stage.card("/status", who=EVE)).plain() == "This desk is private."


async def test_own_wishes_of_a_shared_place_are_an_operators(stage: Stage) -> None:
    for path, entry in COMMANDS.items():
        if entry.effect is Effect.OWN and entry.role is Role.VIEWER:
            said = await stage.card(entry.example, who=OLA, place=ROOM, private=False)
            assert "choosing what a shared place is told is for operators" in said.plain(), path


async def test_every_example_works_and_is_audited(stage: Stage) -> None:
    await stage.say("/halt")
    for path, entry in COMMANDS.items():
        if path == "halt":
            continue
        said = await stage.card(entry.example)
        assert said.title.startswith("PAPER ")
        assert "simulated market" in said.lines[-1]
        last = next(e for e in await stage.audit() if isinstance(e, m.CommandRun))
        assert (last.text, last.place) == (entry.example, "console:main")
        wanted = "refused: " if path in NOTHING_TO_DO else ("done", "confirmation asked")
        assert last.result.startswith(wanted), (path, last.result)


async def test_every_suggestion_is_the_roles_alone_and_at_most_25(stage: Stage) -> None:
    for entry in COMMANDS.values():
        for argument in entry.args:
            for who, role in (*RANKS, (EVE, None)):
                request = Request(who=who, place=f"telegram:{who.id}", at=WALL)
                found = stage.surface.suggest(request, entry.path, argument.name, "")
                assert len(found) <= 25, (entry.path, argument.name)
                assert role is not None or found == ()
                assert found == () or (role is not None and role >= entry.role)


# --- whatever is sent -----------------------------------------------------------------------------------------------

_HEADS = st.sampled_from(["", "/", *(f"/{path} " for path in COMMANDS), "cf:", "no:", "do:/", "re:/"])
_ANYTHING = st.builds(str.__add__, _HEADS, st.text(max_size=60))


_WHO = st.sampled_from([OWNER, OTTO, OLA, EVE])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_ANYTHING, button=_ANYTHING, who=_WHO)
async def test_whatever_is_sent_is_answered_or_refused_and_nothing_happens_without_a_yes(
    stage: Stage, text: str, button: str, who: Identity
) -> None:
    """On one stage: what an example leaves behind, the next one finds."""
    people = stage.tools.people.all()
    for tapped in ("", button):
        said = await stage.say(text, button=tapped, who=who)
        assert said is None or not said.title.startswith("PAPER error"), (text, tapped, said)
    assert all(isinstance(command, Halt | LockPair) for command in stage.desk.obeyed)
    assert stage.tools.people.all() == people
