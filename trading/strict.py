"""The strict reading of what a model says: exactly one JSON object that fits its schema, or a misfit with its reason.

Nothing is repaired and nothing is guessed: a vote that has to be mended is not the model's vote.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from trading.asking import Strict

MOST_BYTES = 64 * 1024
DEEPEST = 16  # objects and lists inside each other
_DIGITS = 18  # of a whole number
_NAMED = 3  # faults in one reason
_KEY = 24  # characters of a key that a reason repeats

_FENCED = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)  # a string, whole; an opening; a closing
_BLANK = " \t\r\n"

S = TypeVar("S", bound=Strict)


class Misfit(ValueError):
    """What a model said is not what was asked for. The reason names keys and holds no value of theirs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(text: str, schema: type[S]) -> S:
    """The one object that the text is, bare or in one code fence. Raises Misfit, and nothing else, for any text."""
    value = _value(_bare(text))
    try:
        # From JSON and not from the value: there a name is enough for an enum, and all else is as strict.
        return schema.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        raise Misfit(_faults(error)) from None


def _bare(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise Misfit(f"it is longer than {MOST_BYTES // 1024} KiB")
    text = text.strip(_BLANK)
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1]
    if not text.startswith("{"):
        raise Misfit("it is not one JSON object" if text else "it is empty")
    return text


def _value(text: str) -> Any:
    """What the JSON text holds; refused as well: two keys of one name, numbers without an end, a nest too deep."""
    if _depth(text) > DEEPEST:
        raise Misfit(f"it is nested deeper than {DEEPEST}")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_endless, parse_int=_whole, parse_float=_finite)
    except json.JSONDecodeError as error:
        what = "something follows the object" if error.msg == "Extra data" else f"it is not JSON: {error.msg}"
        raise Misfit(f"{what} (character {error.pos})") from None


def _depth(text: str) -> int:
    deepest = depth = 0
    for mark in _MARKS.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(mark[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Misfit(f"{_shown(key)} stands there twice")
        found[key] = value
    return found


def _endless(_: str) -> NoReturn:
    raise Misfit("a number is not finite")


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS:
        raise Misfit("a number is too large")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise Misfit("a number is too large")
    return number or 0.0  # minus nought is nought


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    more = [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    return "; ".join((*(_fault(f["type"], f["loc"], f["msg"]) for f in faults[:_NAMED]), *more))


def _fault(kind: str, where: tuple[int | str, ...], said: str) -> str:
    place = ".".join(_shown(str(part)) for part in where[-2:]) or "it"
    match kind:
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            return f"{_shown(str(where[-1]))} was not asked for"
        case "json_invalid":  # what is left of that: half of a surrogate pair
            return "it holds a text that is no text"
        case _:
            return f"{place}: {said[:1].lower()}{said[1:]}"


def _shown(key: str) -> str:
    """A key, for a reason: short and on one line, whatever a model called it."""
    return "".join(c if c.isprintable() else "?" for c in key[:_KEY])


# --- the schema, as providers and models are told of it ---------------------------------------------------------

_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems")


def json_schema(schema: type[Strict]) -> dict[str, Any]:
    """The JSON schema as providers take it: all keys required, none extra, nothing referred to, few keywords.

    How long a text may be is said in its description: strict modes know no keyword for it. Raises ValueError for a
    schema that holds itself.
    """
    whole = schema.model_json_schema()
    return _inlined({k: v for k, v in whole.items() if k != "description"}, whole.get("$defs", {}), ())


def _inlined(node: Mapping[str, Any], defs: Mapping[str, Any], way: tuple[str, ...]) -> dict[str, Any]:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name in way:
            raise ValueError(f"{name} holds itself")
        # A description of a class is meant for its readers here; that of a field goes out.
        inner = {k: v for k, v in defs[name].items() if k != "description"}
        return _inlined(inner | {k: v for k, v in node.items() if k != "$ref"}, defs, (*way, name))
    kept = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        kept["enum"] = [node["const"]]
    if said := "; ".join(filter(None, (_length(node), node.get("description", "")))):
        kept["description"] = said
    if "properties" in node:
        kept["properties"] = {key: _inlined(value, defs, way) for key, value in node["properties"].items()}
        kept |= {"required": list(node["properties"]), "additionalProperties": False}
    if "items" in node:
        kept["items"] = _inlined(node["items"], defs, way)
    if "anyOf" in node:
        kept["anyOf"] = [_inlined(each, defs, way) for each in node["anyOf"]]
    return kept


def _length(node: Mapping[str, Any]) -> str:
    least, most = node.get("minLength"), node.get("maxLength")
    if least and most:
        return f"{least} to {most} characters"
    return f"at most {most} characters" if most else f"at least {least} characters" if least else ""


def schema_words(schema: type[Strict] | Mapping[str, Any]) -> str:
    """The same, for the prompt of a model that cannot be held to it: the type, or what `json_schema` made of it."""
    found = schema if isinstance(schema, Mapping) else json_schema(schema)
    return "\n".join(
        (
            "Answer with one JSON object and nothing else: no code fence, no words before or after it.",
            f"It is {_told(found, 0)}",
        )
    )


def _told(node: Mapping[str, Any], deep: int) -> str:
    kind, about = _kind(node, deep), node.get("description", "")
    if not about:
        return kind
    return f"{about}: {kind}" if "\n" in kind else f"{kind}; {about}"


def _kind(node: Mapping[str, Any], deep: int) -> str:
    if "enum" in node:
        return "one of " + ", ".join(json.dumps(each) for each in node["enum"])
    if "anyOf" in node:
        return " or ".join(_told(each, deep) for each in node["anyOf"])
    match node.get("type"):
        case "object":
            lines = [
                f'{"  " * deep}- "{key}": {_told(value, deep + 1)}' for key, value in node.get("properties", {}).items()
            ]
            return "\n".join(("an object with exactly these keys, in this order:", *lines))
        case "array":
            many = _range(node, "minItems", "maxItems").replace(" from ", " of ", 1)
            return f"a list{many}, each of them {_told(node.get('items', {}), deep)}"
        case "number":
            return f"a number{_range(node, 'minimum', 'maximum')}"
        case "integer":
            return f"a whole number{_range(node, 'minimum', 'maximum')}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case _:
            return "text"


def _range(node: Mapping[str, Any], low: str, high: str) -> str:
    least, most = node.get(low), node.get(high)
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f", at least {least}" if least is not None else f", at most {most}" if most is not None else ""
