"""Whatever Discord may send: an answer or a refusal for who waits for one, and never a traceback."""

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.surface import Button, Card
from tests.chat.discord_stage import ANN, COMMANDS, EVE, OTTO, a_world
from tests.fakes.discord_api import DESK, DiscordApi, Message, until
from trading.status import Armed

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from([*COMMANDS, "show", "reset", "nonsense", ""]) | _JSON
_OPTION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["n", "by", "reason", "position", "show", "reset"]) | _JSON,
        "value": _JSON | st.text(max_size=3000),
        "type": st.integers(0, 12) | _JSON,
        "focused": _JSON,
        "options": _JSON,
    },
)
_COMMAND = st.fixed_dictionaries({}, optional={"name": _NAMES, "options": st.lists(_OPTION, max_size=3) | _JSON})
_IDS = st.one_of(
    st.sampled_from(["cf:1a2b", "no:", "re:/", "do:/halt", "|word|cf:1a2b", "7||re:/x", "||", "cf:" + "x" * 97]),
    st.text(max_size=4000),
    _JSON,
)
_TAP = st.fixed_dictionaries({}, optional={"custom_id": _IDS, "component_type": st.integers(0, 20) | _JSON})
_FIELD = st.fixed_dictionaries({}, optional={"type": _JSON, "component": _JSON, "components": _JSON, "value": _JSON})
_FORM = st.fixed_dictionaries({}, optional={"custom_id": _IDS, "components": st.lists(_FIELD, max_size=2) | _JSON})
_DATA = {2: _COMMAND, 4: _COMMAND, 3: _TAP, 5: _FORM}
_MISSING = st.sampled_from(
    ["", "", "", "version", "channel", "member", "user", "message", "guild_id", "locale", "data"]
)
_CASES = st.sampled_from([2, 3, 4, 5]).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.one_of(_DATA[kind], _JSON), _MISSING, st.booleans(), st.sampled_from([ANN, OTTO, EVE])
    )
)
_Case = tuple[int, Any, str, bool, int]


def without(missing: str) -> Any:
    return lambda told: {name: value for name, value in told.items() if name != missing}


async def _all_are_answered(cases: list[_Case]) -> None:
    async with DiscordApi() as api, a_world(api) as world:
        await world.up()
        buttons = (Button(label="x", data="re:/x"),)
        await world.discord.send(f"discord:{DESK}", Card(title="x", buttons=buttons), key="k", silent=False)
        (message,) = api.inbox()
        done = []
        for kind, data, missing, private, who in cases:
            person = api.person(who)
            api.gateway.mangle = without(missing)
            where = person.private if private else DESK
            under: Message | None = message if kind in (3, 5) and not private else None
            done.append(api.receive(person, kind, where, data, message=under))
        await until(lambda: all(d.response is not None for d in done))
        assert (api.gateway.identified, api.gateway.resumed) == (1, 0), "the connection was lost over it"
        assert world.discord.state.state is Armed.ARMED
        api.gateway.mangle = without("")
        last = api.person(ANN).slash("positions")
        await last.over()
        refused = [c for c in api.calls if c.status == 400]
        assert refused == [], refused


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(_CASES, min_size=1, max_size=12))
def test_every_interaction_is_answered(caplog: pytest.LogCaptureFixture, cases: list[_Case]) -> None:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        asyncio.run(_all_are_answered(cases))
    loud = [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
    assert loud == [], [r.getMessage() for r in loud]
