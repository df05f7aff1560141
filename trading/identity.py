"""Ids that are functions of what they name: one intent has one id, on every attempt and after every crash."""

import base64
import hashlib
from datetime import datetime

from trading.model import ClientId, DecisionId, Leg, base_of


def _digest(*parts: str, length: int) -> str:
    """`length` base-32 characters, a multiple of 8."""
    raw = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return base64.b32encode(raw[: length * 5 // 8]).decode().lower()


def decision_id(desk: str, playbook: str, symbol: str, at: datetime, trigger: str) -> DecisionId:
    """Short enough to type on a phone: "btc-k3f9x2pa". 40 bits per desk and instrument."""
    base = "".join(c for c in base_of(symbol).lower() if c.isalnum())[:8]
    return DecisionId(f"{base}-{_digest(desk, playbook, symbol, at.isoformat(), trigger, length=8)}")


def client_id(desk: str, decision: DecisionId, leg: Leg, number: int = 0) -> ClientId:
    """`[a-z0-9-]`, at most 32 characters; a function of desk, decision and leg, free of attempt and time.

    `number` tells apart the legs of one kind: a second close of the rest of a position is another leg.
    """
    return ClientId(f"gv-{_digest(desk, decision, leg.value, str(number), length=24)}-{leg.value[0]}{number}")
