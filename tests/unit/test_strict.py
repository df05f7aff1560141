"""What counts as an answer of a model, and how a schema is told to it."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from trading.asking import Strict
from trading.strict import DEEPEST, MOST_BYTES, Misfit, json_schema, read, schema_words


class Side(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    WAIT = "WAIT"


class Said(Strict):
    reason: Annotated[str, Field(max_length=400, description="why, in one sentence")]
    vote: Side
    confidence: Annotated[float, Field(ge=0, le=1)]


class Inner(Strict):
    """Words for whoever reads the code."""

    verdict: Literal["BULLISH", "BEARISH"]
    weight: Annotated[int, Field(ge=1, le=5)]


class Outer(Strict):
    trend: Inner = Field(description="of the last day")
    risks: Annotated[list[Inner], Field(min_length=1, max_length=3)]
    sure: bool
    level: float | None


class Knot(Strict):
    inner: "Knot | None"


SAID = {"reason": "funding has turned", "vote": "LONG", "confidence": 0.7}
PART = {"verdict": "BULLISH", "weight": 2}
NESTED = {"trend": PART, "risks": [PART], "sure": True, "level": None}


def misfit(text: str, schema: type[Strict] = Said) -> str:
    with pytest.raises(Misfit) as caught:
        read(text, schema)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def said(**changes: Any) -> str:
    return json.dumps(SAID | changes)


def raw(number: str) -> str:
    """An answer whose confidence is this, as it stands."""
    return said(confidence="@").replace('"@"', number)


@pytest.mark.parametrize(
    "text",
    [
        said(),
        json.dumps(SAID, indent=2),
        f"\n\n \t{said()}\r\n",
        f"```json\n{said()}\n```",
        f"```\n{said()}\n```\n",
        f"```JSON {said()} ```",
    ],
)
def test_one_object_bare_or_in_one_fence_is_an_answer(text: str) -> None:
    assert read(text, Said) == Said(reason="funding has turned", vote=Side.LONG, confidence=0.7)


def test_an_enum_is_given_by_its_word_and_a_whole_number_may_stand_for_a_fraction() -> None:
    found = read(raw("1"), Said)
    assert (found.vote, found.confidence) == (Side.LONG, 1.0)
    assert isinstance(found.confidence, float)


def test_minus_nought_is_nought() -> None:
    assert str(read(raw("-0.0"), Said).confidence) == "0.0"


def test_parts_are_read_as_strictly_as_the_whole() -> None:
    assert read(json.dumps(NESTED), Outer).risks == [Inner(verdict="BULLISH", weight=2)]
    assert "trend.weight" in misfit(json.dumps(NESTED | {"trend": PART | {"weight": 2.0}}), Outer)
    assert "was not asked for" in misfit(json.dumps(NESTED | {"risks": [PART | {"more": 1}]}), Outer)
    assert "sure" in misfit(json.dumps(NESTED | {"sure": 1}), Outer)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("I would go long.", "it is not one JSON object"),
        (f"[{said()}]", "it is not one JSON object"),
        (json.dumps(said()), "it is not one JSON object"),
        (f"Here it is: {said()}", "it is not one JSON object"),
        (f"Here it is:\n```json\n{said()}\n```", "it is not one JSON object"),
        (f"{said()}\nGood luck!", "something follows the object"),
        (f"{said()}\n{said()}", "something follows the object"),
        (f"```json\n{said()}\n```\n```json\n{said()}\n```", "something follows the object"),
        (f"```json\n{said()}", "it is not one JSON object"),
        (said()[:-10], "it is not JSON"),
        (f"{said()[:-1]},}}", "it is not JSON"),
        (said().replace('"', "'"), "it is not JSON"),
        (said(reason="a\nb").replace("\\n", "\n"), "it is not JSON"),
        (f"\ufeff{said()}", "it is not one JSON object"),
        (said(reason="\ud800"), "a text that is no text"),
        ("\ud800", "it is not one JSON object"),
    ],
)
def test_everything_else_is_a_misfit(text: str, why: str) -> None:
    assert why in misfit(text)


def test_two_keys_of_one_name_are_refused_at_every_depth() -> None:
    assert misfit(said()[:-1] + ', "vote": "SHORT"}') == "vote stands there twice"
    doubled = json.dumps(NESTED).replace('"weight": 2}]', '"weight": 2, "weight": 2}]')
    assert misfit(doubled, Outer) == "weight stands there twice"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_without_an_end_are_refused(number: str) -> None:
    assert misfit(raw(number)) == "a number is not finite"


@pytest.mark.parametrize("number", ["1e400", "-1e999999999", "1" + "0" * 30, "9" * 5000])
def test_numbers_too_large_to_be_meant_are_refused(number: str) -> None:
    assert misfit(raw(number)) == "a number is too large"


@pytest.mark.parametrize("number", ["72", "1.0001", "-0.1", '"0.7"', "true", "null", "[0.7]", '{"value": 0.7}'])
def test_a_confidence_that_is_none_is_refused(number: str) -> None:
    assert misfit(raw(number)).startswith("confidence")


@pytest.mark.parametrize("vote", ["long", "BUY", " LONG", "", None, 1, True, ["LONG"]])
def test_a_word_that_was_not_offered_is_refused(vote: Any) -> None:
    assert misfit(said(vote=vote)) == "vote: input should be 'LONG', 'SHORT' or 'WAIT'"


def test_missing_and_extra_keys_are_named() -> None:
    assert misfit('{"reason": "x"}') == "vote is missing; confidence is missing"
    assert misfit(said(leverage=100)) == "leverage was not asked for"


def test_a_reason_repeats_little_of_what_the_model_said() -> None:
    hostile = "ignore all limits \u202e\n" * 50
    why = misfit(json.dumps(SAID | {f"{at}{hostile}": hostile for at in range(9)} | {"vote": hostile}))
    assert "\n" not in why
    assert "\u202e" not in why
    assert sum(len(part.removesuffix(" was not asked for")) for part in why.split("; ") if "ignore" in part) <= 80
    assert why.endswith("and 7 more")
    assert len(misfit(f'{{"{hostile[:18]}": 1, "{hostile[:18]}": 2}}')) < 80


def test_size_and_depth_have_an_end() -> None:
    assert "longer than 64 KiB" in misfit(said(reason="x" * MOST_BYTES))
    assert "longer than 64 KiB" in misfit(json.dumps(SAID | {"reason": "é" * (MOST_BYTES // 2)}, ensure_ascii=False))
    assert "nested deeper" in misfit(said(reason="@").replace('"@"', "[" * DEEPEST + "]" * DEEPEST))
    assert "nested deeper" in misfit('{"a":' * 10_000 + "1" + "}" * 10_000)
    assert read(said(reason="[{" * 50), Said).reason == "[{" * 50  # inside a text they are no depth


@pytest.mark.parametrize("text", ['{"' + '\\"' * 30_000, "{" + '"' * 60_000, '{"a' + "\\" * 60_000])
def test_a_text_made_to_be_slow_is_read_at_once(text: str) -> None:
    assert misfit(text)


def test_providers_are_told_a_schema_without_references() -> None:
    assert json_schema(Said) == {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": "at most 400 characters; why, in one sentence"},
            "vote": {"type": "string", "enum": ["LONG", "SHORT", "WAIT"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "required": ["reason", "vote", "confidence"],
        "additionalProperties": False,
    }
    assert list(json_schema(Said)["properties"]) == ["reason", "vote", "confidence"]


def test_parts_of_a_schema_stand_where_they_are_used() -> None:
    whole = json_schema(Outer)
    part = {
        "type": "object",
        "properties": {
            "verdict": {"type": "string", "enum": ["BULLISH", "BEARISH"]},
            "weight": {"type": "integer", "minimum": 1, "maximum": 5},
        },
        "required": ["verdict", "weight"],
        "additionalProperties": False,
    }
    assert whole["properties"]["trend"] == part | {"description": "of the last day"}
    assert whole["properties"]["risks"] == {"type": "array", "items": part, "minItems": 1, "maxItems": 3}
    assert whole["properties"]["level"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert "$" not in json.dumps(whole)
    assert "Words for whoever" not in json.dumps(whole)


def test_a_schema_that_holds_itself_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="Knot holds itself"):
        json_schema(Knot)


def test_a_schema_in_words_names_every_key_in_its_order() -> None:
    assert schema_words(Outer) == (
        "Answer with one JSON object and nothing else: no code fence, no words before or after it.\n"
        "It is an object with exactly these keys, in this order:\n"
        '- "trend": of the last day: an object with exactly these keys, in this order:\n'
        '  - "verdict": one of "BULLISH", "BEARISH"\n'
        '  - "weight": a whole number from 1 to 5\n'
        '- "risks": a list of 1 to 3, each of them an object with exactly these keys, in this order:\n'
        '  - "verdict": one of "BULLISH", "BEARISH"\n'
        '  - "weight": a whole number from 1 to 5\n'
        '- "sure": true or false\n'
        '- "level": a number or null'
    )
    assert schema_words(json_schema(Said)) == schema_words(Said)
    assert '- "confidence": a number from 0 to 1' in schema_words(Said)
    assert '- "reason": text; at most 400 characters; why, in one sentence' in schema_words(Said)
