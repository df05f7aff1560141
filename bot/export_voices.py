"""What stands behind a decision's words, for an export: who answered, and every exchange with a provider. Pure."""

from decimal import Decimal
from typing import Any

from trading.decision import MICRO, Abstention, Calibrated, Opinion, Ruling
from trading.voice import Exchange, Voice

Line = dict[str, Any]


def micro(confidence: int) -> Decimal:
    return Decimal(confidence) / MICRO


def spoken(said: Opinion | Abstention) -> Line:
    """What a vote has besides its words."""
    voice = said.voice or Voice()
    return {
        "failed": isinstance(said, Abstention) and said.failed,
        "model": voice.model or None,
        "sources": [{"title": source.title, "url": source.url} for source in voice.sources],
        "notes": list(voice.notes),
        "exchanges": _exchanges(voice),
    }


def ruling(asked: Ruling | Abstention) -> Line:
    voice, said = asked.voice or Voice(), asked if isinstance(asked, Ruling) else None
    return {
        "who": asked.who if isinstance(asked, Ruling) else asked.persona,
        "said": said and said.said,
        "confidence": micro(said.confidence) if said and said.confidence is not None else None,
        "thesis": said and said.thesis,
        "abstained": asked.reason if isinstance(asked, Abstention) else None,
        "failed": isinstance(asked, Abstention) and asked.failed,
        "model": voice.model or None,
        "exchanges": _exchanges(voice),
    }


def calibrated(found: Calibrated | None) -> Line | None:
    if found is None:
        return None
    return {
        "value": micro(found.value),
        "version": found.version,
        "n": found.n,
        "right": found.right,
        "slope": found.slope,
        "intercept": found.intercept,
    }


def _exchanges(voice: Voice) -> list[Line]:
    return [_exchange(exchange) for exchange in voice.exchanges]


def _exchange(exchange: Exchange) -> Line:
    """In a record an empty text or a nought stands for what was never known; of searches and cost it is a number."""
    return {
        "id": exchange.id or None,
        "purpose": exchange.purpose,
        "provider": exchange.provider,
        "requested": exchange.requested or None,
        "returned": exchange.returned or None,
        "at": exchange.at,
        "lack": exchange.lack,
        "reason": exchange.reason,
        "prompt": exchange.prompt or None,
        "prompt_hash": exchange.prompt_hash or None,
        "request": exchange.request or None,
        "response": exchange.response or None,
        "status": exchange.status or None,
        "latency_ms": exchange.latency_ms or None,
        "tokens_in": exchange.tokens_in or None,
        "tokens_out": exchange.tokens_out or None,
        "searches": exchange.searches,
        "cost": exchange.cost,
        "basis": exchange.basis,
    }
