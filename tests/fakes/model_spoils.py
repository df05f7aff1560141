"""Ways to spoil a valid answer. Each takes the JSON text of one object, whatever its schema, and gives back a text.

The "verdict" of an object is its last string in capitals (LONG, BUY, NONE); its "number" is what stands under
"confidence", else its first number. An object without what a spoil needs is a fault of the test.
"""

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Spoil = Callable[[str], str]

_OTHER_WORDS = {"LONG": "BUY", "SHORT": "SELL", "BUY": "LONG", "SELL": "SHORT", "NONE": "LONG"}
_HOLE = "@hole@"


def fenced(text: str) -> str:
    return f"```json\n{text}\n```"


def twice_fenced(text: str) -> str:
    return f"{fenced(text)}\n\n{fenced(text)}"


def fenced_in_prose(text: str) -> str:
    return f"Here is my decision:\n\n{fenced(text)}\n\nTrade safely!"


def with_prose_after(text: str) -> str:
    return f"{text}\n\nNote that markets are volatile."


def with_prose_before(text: str) -> str:
    return f"Here is the JSON you asked for: {text}"


def in_words(text: str) -> str:
    return "I'm sorry, but I can't help with trading decisions."


def twice(text: str) -> str:
    return f"{text}\n{text}"


def cut(text: str) -> str:
    return text[: len(text) // 2]


def listed(text: str) -> str:
    return f"[{text}]"


def quoted(text: str) -> str:
    """The object as a JSON string."""
    return json.dumps(text)


def with_doubled_key(text: str) -> str:
    """The verdict twice, and not the same: most readers take the last in silence."""
    value = _object(text)
    key = _verdict(value)
    other = _OTHER_WORDS.get(value[key], "LONG")
    opposite = {"BUY": "SHORT", "SELL": "LONG"}.get(other, other)
    return f'{text.rstrip()[:-1]}, {json.dumps(key)}: "{opposite}"}}'


def with_number(token: str) -> Spoil:
    """The number is this token of JSON, or of what passes for it."""

    def spoil(text: str) -> str:
        value = _object(text)
        value[_number(value)] = _HOLE
        return json.dumps(value).replace(f'"{_HOLE}"', token)

    return spoil


def with_key_too_many(text: str) -> str:
    return json.dumps(_object(text) | {"leverage": 100})


def with_key_too_few(text: str) -> str:
    value = _object(text)
    value.pop(list(value)[-1])
    return json.dumps(value)


def without_any_key(text: str) -> str:
    return "{}"


def with_null(text: str) -> str:
    value = _object(text)
    return json.dumps(value | {_verdict(value): None})


def with_small_letters(text: str) -> str:
    value = _object(text)
    key = _verdict(value)
    return json.dumps(value | {key: value[key].lower()})


def with_other_words(text: str) -> str:
    """BUY and SELL where LONG and SHORT are asked for, and the other way round."""
    value = _object(text)
    key = _verdict(value)
    return json.dumps(value | {key: _OTHER_WORDS.get(value[key], "BUY")})


def with_trailing_comma(text: str) -> str:
    return f"{text.rstrip()[:-1]},}}"


def with_half_a_character(text: str) -> str:
    """An escape that stands for no character: it cannot be written as UTF-8."""
    value = _object(text)
    key = next(k for k, v in value.items() if isinstance(v, str))
    return json.dumps(value | {key: _HOLE}).replace(_HOLE, "\\ud800")


def deep(text: str) -> str:
    """Brackets enough to exhaust a reader that calls itself."""
    return '{"a":' * 100_000


def _object(text: str) -> Json:
    value = json.loads(text)
    assert isinstance(value, dict), "only an object can be spoiled"
    return value


def _verdict(value: Json) -> str:
    found = [key for key, held in value.items() if isinstance(held, str) and held.isupper()]
    assert found, "an object without a verdict"
    return found[-1]


def _number(value: Json) -> str:
    numbers = [key for key, held in value.items() if isinstance(held, int | float) and not isinstance(held, bool)]
    assert numbers, "an object without a number"
    return "confidence" if "confidence" in numbers else numbers[0]
