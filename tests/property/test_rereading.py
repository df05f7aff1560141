"""Reading again is total: whatever the kept bytes are, nothing is raised, and what was not said is never found said."""

import random
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.codec import from_json, to_json
from tests.builders import BTC, ETH
from tests.wired import BALLOT, JUDGE, SENTIMENT, VALIDATOR, World, a_book, a_world, decided
from trading.decision import Decision
from trading.llm.hearing import HEAR
from trading.rereading import reread, shas_of
from trading.voice import Body, Lack


@pytest.fixture
async def recorded(tmp_path: Path) -> tuple[World, Decision]:
    world = await a_world(tmp_path, a_book())
    return world, await decided(world)


SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(place=st.integers(0, 12), at=st.integers(0, 10_000), bit=st.integers(0, 7))
async def test_one_bit_in_any_body_is_found(recorded: tuple[World, Decision], place: int, at: int, bit: int) -> None:
    world, decision = recorded
    key = [key for key in shas_of(decision) if key in world.ledger.kept][place]
    data = bytearray(world.ledger.kept[key])
    data[at % len(data)] ^= 1 << bit
    found = reread(decision, {**world.ledger.kept, key: bytes(data)}, world.playbook, HEAR)
    assert not found.same
    assert any(key[:8] in line for line in found.spoilt)


@SLOW
@given(place=st.integers(0, 12), body=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
async def test_a_body_that_was_put_in_the_place_of_another_is_never_raised_at(
    recorded: tuple[World, Decision], place: int, body: bytes
) -> None:
    """Even where the record was changed to name it by its own hash: then its words are not those that were counted."""
    world, decision = recorded
    key = [key for key in shas_of(decision) if key in world.ledger.kept][place]
    swapped = Body(data=body)
    forged = from_json(Decision, to_json(decision).replace(key.encode(), swapped.sha.encode()))
    found = reread(forged, {**world.ledger.kept, swapped.sha: body}, world.playbook, HEAR)
    requests = {e.request for e in decision.exchanges}
    assert found.spoilt == ()
    if key not in requests:  # a request holds the facts alone, and these answers quote few
        assert not found.same


chances = st.sampled_from((0.0, 0.2, 0.42, 0.61, 0.75, 0.99, 1.0))
sides = st.sampled_from(("LONG", "SHORT", "NEUTRAL"))
lacks = st.sampled_from((Lack.LATE, Lack.UNREACHABLE))
texts = st.text(max_size=60) | st.sampled_from(("RSI is 55 [E2].", "RSI is 99 [E2].", "[E9]", "\u202egnol", "</data>"))
sentiments = st.builds(lambda r, c, s: {"reasoning": r, "confidence": c, "stance": s}, texts, chances, sides)
judges = st.builds(
    lambda r, c, s: {**JUDGE, "reasoning": r, "confidence": c, "side": s},
    texts, chances, st.sampled_from(("LONG", "SHORT", "WAIT")),
)  # fmt: skip
ballots = st.builds(
    lambda t, c, s, m: {**BALLOT, "thesis": t, "confidence": c, "signal": s, "macro": m},
    texts, chances, st.sampled_from(("BUY", "NONE")), st.sampled_from(("BULLISH", "UNKNOWN")),
)  # fmt: skip
broken = st.sampled_from(("nonsense", "", "{}", '{"reasoning": "x", "reasoning": "y"}', "```json\n{}\n```"))


@SLOW
@given(
    sentiment=sentiments | lacks | broken,
    judge=judges | lacks | broken,
    validator=st.sampled_from((VALIDATOR, {**VALIDATOR, "verdict": "REJECT"}, Lack.LATE, "nonsense")),
    council=st.lists(ballots | lacks | broken, min_size=3, max_size=3),
    model=st.sampled_from(("seer", "old-seer")),
    symbol=st.sampled_from((BTC, ETH)),
    seed=st.integers(0, 3),
)
async def test_whatever_is_said_it_comes_to_the_same_again(
    tmp_path_factory: pytest.TempPathFactory, sentiment: object, judge: object, validator: object,
    council: list[object], model: str, symbol: object, seed: int,
) -> None:  # fmt: skip
    names = ["x-ai/one", "qwen/two", "deep/three"]
    random.Random(seed).shuffle(names)
    script = {"sentiment": sentiment, "judge": judge, "validator": validator, **dict(zip(names, council, strict=True))}
    book = a_book(judge__min_confidence="0.2", panel__sentiment__model=model)
    world = await a_world(tmp_path_factory.mktemp("w"), book, **{"extract": SENTIMENT, **script})  # type: ignore[arg-type]
    decision = await decided(world, symbol=symbol)  # type: ignore[arg-type]
    written = from_json(Decision, to_json(decision))
    found = reread(written, world.ledger.kept, book, HEAR)
    assert (found.first, found.gone) == ("", ())
    assert found.verdict == decision.verdict
    assert reread(written, {}, book, HEAR).same
    assert orjson.loads(to_json(replace(decision, verdict=found.verdict))) == orjson.loads(to_json(decision))
