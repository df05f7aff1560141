"""Decisions worked out again from raw bytes: the same to the last bit, and one byte that is another is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from storage.codec import from_json, to_json
from tests import wired
from tests.builders import BTC, ETH, NOW
from tests.wired import BALLOT, SENTIMENT, World, a_book, a_world, decided
from trading.asking import Heard
from trading.decision import Abstention, Decision, Opinion, Ruling
from trading.llm.hearing import HEAR
from trading.rereading import Reread, differences, reread, shas_of
from trading.voice import Lack


async def again(world: World, decision: Decision, **bodies: bytes) -> Reread:
    """From the record as it is written and read back, and the bytes that the ledger has kept."""
    written = from_json(Decision, to_json(decision))
    assert written == decision
    return reread(written, {**world.ledger.kept, **bodies}, world.playbook, HEAR)


async def test_every_voice_is_read_again_from_its_bytes(tmp_path: Path) -> None:
    world = await a_world(tmp_path, a_book())
    decision = await decided(world)
    assert [type(said) for said in (*decision.opinions, *decision.rulings)] == [*[Opinion] * 4, *[Ruling] * 2]
    found = await again(world, decision)
    assert (found.same, found.first, found.gone) == (True, "", ())
    assert found.read == ("sentiment", "council", "whale", "judge", "validator")
    assert found.verdict == decision.verdict
    assert decision.verdict.action.value == "long"


Scripts = tuple[dict[str, Any], dict[str, str]]
SCRIPTS: dict[str, Scripts] = {
    "the chief waits": ({"judge": {**wired.JUDGE, "side": "WAIT"}}, {}),
    "the chief cannot be reached": ({"judge": Lack.UNREACHABLE}, {}),
    "the chief quotes what is not there": ({"judge": {**wired.JUDGE, "reasoning": "RSI is 70 [E2]."}}, {}),
    "the checker rejects": ({"validator": {**wired.VALIDATOR, "verdict": "REJECT"}}, {}),
    "sentiment misquotes": ({"sentiment": {**SENTIMENT, "reasoning": "RSI is 70 [E2]."}}, {}),
    "sentiment is no JSON, twice": ({"sentiment": ["nonsense", "{"]}, {}),
    "sentiment fits at the second attempt": ({"sentiment": ["nonsense", SENTIMENT]}, {}),
    "sentiment is late": ({"sentiment": Lack.LATE}, {}),
    "sentiment in two calls": ({"sentiment": "Words, with pages."}, {"panel.sentiment.model": "old-seer"}),
    "two of three": ({"qwen/two": Lack.UNREACHABLE}, {}),
    "one of three": ({"qwen/two": Lack.UNREACHABLE, "deep/three": ["{}", "{}"]}, {}),
    "one quotes wrongly": ({"qwen/two": {**BALLOT, "thesis": "RSI is 90 [E2]."}}, {}),
    "nobody buys": ({"council": {**BALLOT, "signal": "NONE", "invalidation": 0}}, {}),
    "few are bullish": ({"council": {**BALLOT, "macro": "BEARISH"}}, {"panel.council.bullish": "7"}),
    "their price is gone": ({"council": {**BALLOT, "invalidation": 90000}}, {}),
    "no judge's model": ({}, {"judge.model": '""'}),
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_whatever_was_said_comes_to_the_same_again(tmp_path: Path, name: str) -> None:
    script, overrides = SCRIPTS[name]
    world = await a_world(tmp_path, a_book().amended(overrides), **script)
    decision = await decided(world)
    found = await again(world, decision)
    assert (found.first, found.gone) == ("", ())
    assert found.verdict == decision.verdict


async def test_one_question_about_all_pairs_is_read_for_each(tmp_path: Path) -> None:
    book = a_book(panel__sentiment__scope="market", universe="BTC, ETH")
    everything = {"reasoning": "Calm."}
    for base, stance in (("btc", "SHORT"), ("eth", "LONG")):
        everything |= {f"{base}_reasoning": f"About {base}.", f"{base}_confidence": 0.6, f"{base}_stance": stance}
    world = await a_world(tmp_path, book, sentiment_market=everything)
    persona = {"sentiment": wired.voices(world)["sentiment"]}
    for symbol, stance in ((ETH, "long"), (BTC, "short")):
        decision = await decided(world, symbol=symbol, personas=persona)
        found = await again(world, decision)
        assert (found.first, found.read[:1]) == ("", ("sentiment",))
        assert [o.stance for o in decision.opinions if isinstance(o, Opinion)][-1] == stance
    assert len(world.gemini.asked) == 1


async def test_what_was_heard_earlier_and_used_again_is_read_again_too(tmp_path: Path) -> None:
    world = await a_world(tmp_path, a_book())
    personas = wired.voices(world)
    await decided(world, personas=personas)
    later = await decided(world, personas=personas, at=NOW + timedelta(minutes=7))
    assert any("Heard 7 min ago" in o.thesis for o in later.opinions if isinstance(o, Opinion))
    assert (await again(world, later)).first == ""


async def test_models_that_are_asked_under_an_id_are_told_apart_by_their_seats(tmp_path: Path) -> None:
    book = a_book(panel__council__models=", ".join(wired.NAMED))
    world = await a_world(tmp_path, book, **{"maker/beta-1": ["nonsense", {**BALLOT, "invalidation": 58500}]})
    decision = await decided(world)
    (council,) = (o for o in decision.opinions if o.persona == "council")
    assert [e.requested for e in council.voice.exchanges] == [  # type: ignore[union-attr]
        "maker/alpha-1", "maker/beta-1", "maker/beta-1", "maker/gamma-1",
    ]  # fmt: skip
    found = await again(world, decision)
    assert (found.first, "council" in found.read) == ("", True)
    forged = touched(decision, "council", invalidation=D(1))
    assert str((await again(world, forged)).difference) == "council invalidation: 1 -> 58500.0"


async def test_models_that_nobody_can_tell_apart_are_not_guessed_at(tmp_path: Path) -> None:
    """One of three was never asked, and the record has ids alone."""
    book = a_book(panel__council__models=", ".join(wired.NAMED))
    world = await a_world(tmp_path, book)
    decision = await decided(world)
    (council,) = (o for o in decision.opinions if o.persona == "council")
    fewer = replace(council.voice, exchanges=council.voice.exchanges[:2])  # type: ignore[union-attr, type-var]
    found = await again(world, touched(decision, "council", voice=fewer))
    assert (found.gone, found.first) == (("council",), "")


# --- what is not as it was ----------------------------------------------------------------------------------------


async def test_one_changed_byte_in_any_body_is_named(tmp_path: Path) -> None:
    world = await a_world(tmp_path, a_book())
    decision = await decided(world)
    held = [key for key in shas_of(decision) if key in world.ledger.kept]
    assert len(held) == 13, "six questions of models in two bodies, and a reading of the chain"
    for key in held:
        data = bytearray(world.ledger.kept[key])
        data[len(data) // 2] ^= 1
        found = await again(world, decision, **{key: bytes(data)})
        assert not found.same
        assert key[:8] in found.first
        assert "its bytes are not those of then" in found.first


TOUCHED: tuple[tuple[Callable[[Decision], Decision], str], ...] = (
    (lambda d: touched(d, "sentiment", confidence=730_000), "sentiment confidence: 730000 -> 720000"),
    (lambda d: touched(d, "whale", thesis="nothing moved"), "whale thesis: nothing moved -> "),
    (lambda d: touched(d, "council", invalidation=D(1)), "council invalidation: 1 -> 58000.5"),
    (lambda d: ruled(d, "judge", said="short"), "judge said: short -> long"),
    (lambda d: ruled(d, "validator", said="reject"), "validator said: reject -> approve"),
    (lambda d: exchanged(d, "judge", tokens_out=71), "judge exchange 1 tokens_out: 71 -> 70"),
    (lambda d: exchanged(d, "sentiment", returned="another"), "sentiment exchange 1 returned: another -> seer-001"),
    (lambda d: exchanged(d, "judge", lack=Lack.LATE), "judge exchange 1 lack: late -> none"),
    (lambda d: replace(d, verdict=replace(d.verdict, confidence=1)), "verdict confidence: 1 -> 560417"),
    (lambda d: replace(d, calibrated=replace(d.calibrated, value=5)), "calibrated value: 5 -> "),  # type: ignore[type-var]
)


def touched(decision: Decision, persona: str, **changes: Any) -> Decision:
    opinions = tuple(replace(o, **changes) if o.persona == persona else o for o in decision.opinions)
    return replace(decision, opinions=opinions)


def ruled(decision: Decision, who: str, **changes: Any) -> Decision:
    rulings = (replace(r, **changes) if isinstance(r, Ruling) and r.who == who else r for r in decision.rulings)
    return replace(decision, rulings=tuple(rulings))


def exchanged(decision: Decision, who: str, **changes: Any) -> Decision:
    def other(said: Any) -> Any:
        if getattr(said, "persona", getattr(said, "who", "")) != who:
            return said
        (first, *rest) = said.voice.exchanges
        return replace(said, voice=replace(said.voice, exchanges=(replace(first, **changes), *rest)))

    return replace(decision, opinions=tuple(map(other, decision.opinions)), rulings=tuple(map(other, decision.rulings)))


@pytest.mark.parametrize(("touch", "first"), TOUCHED, ids=[first.split(":")[0] for _, first in TOUCHED])
async def test_the_first_field_that_differs_is_named(
    tmp_path: Path, touch: Callable[[Decision], Decision], first: str
) -> None:
    world = await a_world(tmp_path, a_book())
    found = await again(world, touch(await decided(world)))
    assert found.difference is not None
    assert str(found.difference).startswith(first)
    assert not found.same


async def test_an_opinion_that_its_bytes_do_not_hold_is_none(tmp_path: Path) -> None:
    world = await a_world(tmp_path, a_book(), sentiment=["nonsense", "{"])
    decision = await decided(world)
    (silent,) = (o for o in decision.opinions if o.persona == "sentiment")
    assert isinstance(silent, Abstention)
    said = Opinion(persona="sentiment", stance="long", confidence=9, thesis="", evidence=(), voice=silent.voice)
    forged = replace(decision, opinions=tuple(said if o is silent else o for o in decision.opinions))
    assert str((await again(world, forged)).difference) == (
        "sentiment: long 0.00 -> no opinion (its bytes hold no answer)"
    )


async def test_where_the_bytes_are_gone_the_parsed_votes_stand_and_that_is_said(tmp_path: Path) -> None:
    world = await a_world(tmp_path, a_book())
    decision = await decided(world)
    world.ledger.kept.clear()
    found = await again(world, decision)
    assert (found.same, found.read) == (True, ())
    assert found.gone == ("sentiment", "council", "whale", "judge", "validator")


async def test_a_seat_that_the_settings_do_not_have_is_not_guessed_at(tmp_path: Path) -> None:
    """Where those of then are not at hand, and others are taken."""
    world = await a_world(tmp_path, a_book())
    decision = await decided(world)
    panel = {"technical": world.playbook.panel["technical"]}
    other = world.playbook.model_copy(update={"panel": panel})
    found = reread(decision, world.ledger.kept, other, HEAR)
    assert (found.first, found.gone) == ("", ("sentiment", "council", "whale"))


async def test_a_reader_that_hears_something_else_is_noticed(tmp_path: Path) -> None:
    """As when the code that reads a provider's bytes has changed since."""
    world = await a_world(tmp_path, a_book())
    decision = await decided(world)

    def deaf(_: int, __: bytes) -> Heard:
        return Heard(text="", returned="", lack=Lack.EMPTY)

    found = reread(decision, world.ledger.kept, world.playbook, {**HEAR, "gemini": deaf})
    assert str(found.difference) == "sentiment exchange 1 returned: seer-001 -> "


def test_differences_name_the_way_to_a_field() -> None:
    said = Opinion(persona="flow", stance="long", confidence=1, thesis="up", evidence=())
    other = replace(said, confidence=2, thesis="down")
    assert [str(d) for d in differences("flow", said, other)] == ["flow confidence: 1 -> 2", "flow thesis: up -> down"]
    assert list(differences("flow", said, said)) == []
    assert [d.field for d in differences("x", (1, 2), (1, 2, 3))] == ["x"]
    assert [str(d) for d in differences("x", D("1.0"), D(1))] == ["x: 1.0 -> 1"]
