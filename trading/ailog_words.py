"""A record's own figures and words, as an entry of an exchange's AI log has them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from trading.decision import Approved, Decision, Denied, Opinion, Plan, Ruling, shown
from trading.model import Position, Quote
from trading.voice import Exchange, Voice

Json = dict[str, Any]

_AS_IT_IS = frozenset({str, int, float, bool, type(None)})
_A_PERSON = "a person"  # who it was is nobody's business out there
_CLASSIFIER = "whale"  # the purpose of exchanges whose "model" is a classifier of our own


def evidence(decision: Decision) -> Json:
    """The market as it was seen, and who said what of it."""
    told: Json = plain(
        {
            "decision": decision.id,
            "at": decision.at,
            "trigger": decision.trigger,
            "playbook": decision.playbook,
            "phase": decision.phase,
            "market": decision.seen,
            "opinions": [_said(o, decision.weights) for o in decision.opinions],
            "rulings": [_said(r, {}) for r in decision.rulings],
            "models": _all_models(decision.exchanges),
            "gate": _gates(decision),
        }
    )
    return told


def _said(said: Any, weights: Mapping[str, int]) -> Json:
    """An opinion, a ruling, or an abstention from either."""
    told: Json = {"who": said.who if isinstance(said, Ruling) else said.persona, "models": models_of(said.voice)}
    match said:
        case Opinion():
            told |= {"stance": said.stance, "confidence": _share(said.confidence), "thesis": said.thesis}
            told |= {"weight": Decimal(weights.get(said.persona, 0)).scaleb(-3), "invalidation": said.invalidation}
            told["evidence"] = [some(e, "label", "value", "unit", "source") for e in said.evidence]
        case Ruling():
            told |= {"said": said.said, "thesis": said.thesis}
            told["confidence"] = None if said.confidence is None else _share(said.confidence)
        case _:
            told["abstained"] = said.reason
    return told


def verdict_of(decision: Decision) -> Json:
    told: Json = {"action": decision.verdict.action, "outcome": decision.outcome}
    told["confidence"] = _share(decision.verdict.confidence)
    match decision.gate:
        case Approved(plan=plan):
            told |= _planned(plan)
        case Denied(rule=rule):
            told["denied_by"] = rule
    return told


def _planned(plan: Plan) -> Json:
    return {
        "side": plan.direction.entry.name,
        "positionSide": plan.direction.name,
        "type": "MARKET",
        "quantity": plan.quantity,
        "leverage": plan.leverage,
        "stop": plan.protection.stop,
        "target": plan.protection.target,
    }


def figures(position: Position, quote: Quote | None) -> Json:
    told = some(position, "direction", "quantity", "entry", "leverage", "opened_at")
    told |= {"stop": position.protection.stop, "target": position.protection.target, "booked": position.booked}
    if quote is not None:
        told |= {"bid": quote.bid, "ask": quote.ask, "mark": quote.mark, "quote_at": quote.at}
    return told


def words_of(decision: Decision) -> str:
    """The verdict, what the gate said, and the theses behind it."""
    gate = decision.gate
    parts = [f"{decision.verdict.action.value} {shown(decision.verdict.confidence)}: {decision.verdict.reason}"]
    parts += [gate.reason] if isinstance(gate, Denied) else []
    parts += [f"size: {gate.plan.size_note}"] if isinstance(gate, Approved) and gate.plan.size_note else []
    parts += [f"{r.who}: {r.thesis}" for r in decision.rulings if isinstance(r, Ruling)]
    parts += [f"{o.persona}: {o.thesis}" for o in decision.opinions if isinstance(o, Opinion)]
    words = " ".join(sentence(part) for part in parts)
    return re.sub(rf"(?<!\w){re.escape(decision.by)}(?!\w)", _A_PERSON, words) if decision.by else words


def sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _gates(decision: Decision) -> list[Json]:
    answers = decision.gate.answers if decision.gate is not None else ()
    return [some(answer, "rule", "passed", "limit", "value") for answer in answers]


def some(value: object, *names: str) -> Json:
    return {name: getattr(value, name) for name in names}


# --- who has answered -------------------------------------------------------------------------------------------------


def models_of(voice: Voice | None) -> list[str]:
    return _all_models(voice.exchanges) if voice is not None else []


def _all_models(exchanges: Sequence[Exchange]) -> list[str]:
    """Ids as their providers gave them, of those that have answered; in the order they did."""
    answered = (e.returned for e in exchanges if e.returned and e.lack is None and e.purpose != _CLASSIFIER)
    return list(dict.fromkeys(answered))


# --- as JSON has it ---------------------------------------------------------------------------------------------------


def _share(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)


def plain(value: Any) -> Any:
    """Amounts as text with every digit, times as text; what a record measured as a float stays a number."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):  # one of NumPy's
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
