"""Recorded ballots: joined by time without ever looking ahead, and every bad line named."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.arming import armed
from bot.markets import simulated, with_opinions
from tests.builders import BTC, ETH, NOW, a_playbook
from tests.surfaces import NoVoices
from trading.ballot import Category, Mark, Signal
from trading.errors import BadBallots, NoEvidence
from trading.llm.recorded import RecordedBallots, read_ballots
from trading.model import Symbol
from trading.playbook import Seat

D = Decimal
MODEL = "qwen/qwen3-max"
MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)


@dataclass(frozen=True)
class Moment:
    at: datetime
    symbol: Symbol = BTC


def a_line(**changes: Any) -> dict[str, Any]:
    made = {
        "at": NOW.isoformat(), "model": MODEL, "symbol": BTC, "signal": "BUY", "confidence": 0.8,
        "invalidation": 58000.5, "thesis": "It rises.",
        "categories": {c.value: {"verdict": "BULLISH", "reason": "so"} for c in Category},
    }  # fmt: skip
    return {**made, **changes}


def a_file(place: Path, *lines: dict[str, Any] | str) -> Path:
    path = place / "ballots.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def recorded(place: Path, *lines: dict[str, Any] | str) -> RecordedBallots:
    return read_ballots(a_file(place, *lines))


async def test_a_line_is_a_ballot(tmp_path: Path) -> None:
    ballot = await recorded(tmp_path, a_line()).ask(MODEL, Moment(NOW))
    assert (ballot.model, ballot.at, ballot.signal) == (MODEL, NOW, Signal.BUY)
    assert (ballot.confidence, ballot.invalidation, ballot.thesis) == (800_000, D("58000.5"), "It rises.")
    assert [(j.category, j.mark, j.reason) for j in ballot.categories] == [(c, Mark.BULLISH, "so") for c in Category]


async def test_the_newest_ballot_up_to_the_moment_and_none_of_the_future(tmp_path: Path) -> None:
    times = [NOW + n * MINUTE for n in (2, 0, 1)]  # in any order
    ballots = recorded(tmp_path, *(a_line(at=at.isoformat()) for at in times))
    for asked, found in [
        (NOW, NOW),
        (NOW + MINUTE - MICROSECOND, NOW),
        (NOW + MINUTE, NOW + MINUTE),
        (NOW + 9 * MINUTE, NOW + 2 * MINUTE),
    ]:
        assert (await ballots.ask(MODEL, Moment(asked))).at == found
    with pytest.raises(NoEvidence, match="no ballot up to this moment"):
        await ballots.ask(MODEL, Moment(NOW - MICROSECOND))


async def test_a_ballot_is_one_models_on_one_instrument(tmp_path: Path) -> None:
    ballots = recorded(tmp_path, a_line(), a_line(symbol=ETH, signal="NONE"), a_line(model="other", confidence=0.1))
    assert ballots.models == {MODEL, "other"}
    assert (await ballots.ask(MODEL, Moment(NOW, ETH))).signal is Signal.NONE
    assert (await ballots.ask("other", Moment(NOW))).confidence == 100_000
    for model, symbol in (("third", BTC), (MODEL, Symbol("SOL/USDT:USDT")), ("other", ETH)):
        with pytest.raises(NoEvidence):
            await ballots.ask(model, Moment(NOW, symbol))


async def test_times_of_any_zone_are_read_as_utc(tmp_path: Path) -> None:
    ballot = await recorded(tmp_path, a_line(at="2026-01-05T14:00:00+02:00")).ask(MODEL, Moment(NOW))
    assert ballot.at == NOW
    assert ballot.at.tzinfo is UTC


async def test_confidence_is_cut_to_millionths_and_never_rounded_up(tmp_path: Path) -> None:
    ballot = await recorded(tmp_path, a_line(confidence=0.5999999)).ask(MODEL, Moment(NOW))
    assert ballot.confidence == 599_999


async def test_who_does_not_buy_needs_no_invalidation(tmp_path: Path) -> None:
    plain = a_line(signal="NONE")
    del plain["invalidation"]
    ballots = recorded(tmp_path, plain, a_line(signal="NONE", invalidation=None, model="b"))
    assert (await ballots.ask(MODEL, Moment(NOW))).invalidation is None
    assert (await ballots.ask("b", Moment(NOW))).invalidation is None


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in a_line().items() if k != key}


def judged(**changes: Any) -> dict[str, Any]:
    return {**a_line()["categories"], **changes}


BAD = [
    ("{", "the line: Invalid JSON"),
    ("[]", "the line:"),
    (a_line(at="2026-01-05T12:00:00"), "at: Input should have timezone info"),
    (a_line(signal="SELL"), "signal: Input should be 'BUY' or 'NONE'"),
    (a_line(confidence=1.01), "confidence: Input should be less than or equal to 1"),
    (a_line(confidence=-0.1), "confidence:"),
    (a_line(invalidation=None), "a BUY without an invalidation price"),
    (a_line(invalidation=0), "invalidation price 0 is not a price"),
    (a_line(invalidation="NaN"), "invalidation:"),
    (a_line(model=""), "model:"),
    (without("thesis"), "thesis: Field required"),
    (a_line(mood="good"), "mood: Extra inputs are not permitted"),
    (a_line(categories={}), "categories: missing market regime, technical setup"),
    (a_line(categories=judged(weather={"verdict": "BULLISH", "reason": ""})), "categories.weather"),
    (a_line(categories=judged(timing={"verdict": "HOPEFUL", "reason": ""})), "categories.timing.verdict"),
    (a_line(categories=judged(timing={"verdict": "BULLISH"})), "categories.timing.reason: Field required"),
]


@pytest.mark.parametrize(("line", "fault"), BAD, ids=[fault for _, fault in BAD])
def test_a_bad_line_is_named(tmp_path: Path, line: dict[str, Any] | str, fault: str) -> None:
    with pytest.raises(BadBallots) as caught:
        recorded(tmp_path, a_line(at="2026-01-01T00:00:00Z"), line)
    assert str(caught.value).startswith("ballots.jsonl:\n  line 2: ")
    assert fault in str(caught.value)


def test_every_bad_line_is_named_with_its_number(tmp_path: Path) -> None:
    with pytest.raises(BadBallots) as caught:
        recorded(tmp_path, "{", "", a_line(), a_line(confidence=2), a_line())
    name, *lines = str(caught.value).splitlines()
    assert name == "ballots.jsonl:"
    assert [line.split(":")[0] for line in lines] == ["  line 1", "  line 4", "  line 5"]
    assert lines[2].endswith(f"{MODEL} has voted on {BTC} at this moment in line 3 already")


def test_bytes_that_are_no_text_are_a_bad_line(tmp_path: Path) -> None:
    path = a_file(tmp_path, a_line())
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(BadBallots, match="line 2: "):
        read_ballots(path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_a_ballot_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(text)
    with pytest.raises(BadBallots, match="no ballots in it"):
        read_ballots(path)
    with pytest.raises(BadBallots, match="cannot be read"):
        read_ballots(tmp_path / "elsewhere.jsonl")


def test_the_council_sits_where_there_are_ballots_and_says_why_it_does_not(tmp_path: Path) -> None:
    playbook = a_playbook(panel={"council": Seat(weight=D(1), models=(MODEL, "other")).model_dump()})
    panel = armed(playbook, {}, NoVoices())
    assert panel.personas == {}
    assert panel.off["council"] == "no key of a model"
    panel = armed(playbook, {}, NoVoices(), recorded(tmp_path, a_line()))
    assert panel.off == {}
    assert panel.personas["council"].instant


def test_of_many_bad_lines_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.raises(BadBallots) as told:
        read_ballots(a_file(tmp_path, *["no ballot"] * 25))
    lines = str(told.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 15 more lines"


@pytest.mark.parametrize(
    ("models", "note", "lacks"),
    [
        ((MODEL,), "", {}),
        ((MODEL, "a/b"), f"ballots.jsonl holds no ballot of a/b; it is by {MODEL}.", {}),
        (("a/b", "c/d"), "holds no ballot of a/b, c/d", {"council": "ballots.jsonl holds no ballot of its models"}),
        (None, "has no council: ballots.jsonl is not used.", {}),
    ],
)
def test_ballots_of_models_that_nobody_asks_are_told_of_at_the_start(
    tmp_path: Path, models: tuple[str, ...] | None, note: str, lacks: dict[str, str]
) -> None:
    panel = {"technical": Seat(weight=Decimal(1))} if models is None else {}
    if models is not None:
        panel["council"] = Seat(weight=Decimal(1), models=models, agree=1)
    playbook = a_playbook(panel=panel)
    market = with_opinions(simulated(6, playbook), a_file(tmp_path, a_line()), playbook)
    assert note in " ".join(market.notes)
    assert bool(market.notes) == bool(note)
    assert market.lacks == lacks
