"""What stands behind words that are not arithmetic: who answered, what it leaned on, and every exchange with it.

All of it is part of a decision's record; the bytes themselves are kept beside it, under their hash.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Lack(StrEnum):
    """Why there is no answer. Each is an absence, never a vote."""

    OFF = "off"  # no key, or switched off
    OVER_BUDGET = "over budget"
    NO_PRICE = "price not known"
    LATE = "late"  # no answer within the deadline
    UNREACHABLE = "unreachable"  # no connection, or it broke before the answer was whole
    RATE_LIMITED = "rate limited"
    SERVER = "provider's fault"  # 5xx, or an error inside a 200
    DENIED = "denied"  # key, credit, permission
    RETIRED = "no such model"
    BAD_REQUEST = "request refused"
    REFUSED = "model refused"  # refusal, safety block, content filter
    CUT_OFF = "cut off"  # the answer ended before it was whole
    EMPTY = "empty answer"
    BROKEN = "not what was asked for"  # no JSON, other keys, values out of range
    UNGROUNDED = "no sources"
    UNSUPPORTED = "number not in the evidence"
    SUBSTITUTED = "another model answered"
    NOT_RECORDED = "not recorded"  # an answer that cannot be kept is no vote
    STALE = "too old"


class Basis(StrEnum):
    """What the cost of an exchange rests on."""

    REPORTED = "reported"  # by the provider
    TABLE = "price table"
    RESERVED = "reserved"  # nobody knows what it came to: the worst case stands
    FREE = "free"  # refused before a model saw it, or not paid by the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to a provider and what came back."""

    id: int = 0  # in the ledger; 0: never sent
    purpose: str  # "sentiment", "sentiment extract", "council", "judge", "validator", "ask", "playbook", "whale"
    provider: str  # "gemini", "openrouter", "etherscan", the name of a server of one's own
    requested: str  # the model that was asked
    returned: str = ""  # the model that says it answered; "" where none did
    at: datetime  # wall time of the request
    lack: Lack | None = None  # None: it was an answer
    reason: str = ""  # of the lack, without anything secret
    prompt: str = ""  # "sentiment 1": its file and version
    prompt_hash: str = ""  # of the rendered text
    request: str = ""  # SHA-256 of the canonical request, without headers and keys
    response: str = ""  # SHA-256 of the raw body; "" where none came
    status: int = 0  # of HTTP; 0 where no answer came
    latency_ms: int = 0
    tokens_in: int = 0
    tokens_out: int = 0  # with what it thought
    searches: int = 0
    cost: Decimal = Decimal(0)  # USD
    basis: Basis = Basis.FREE


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A page that a grounded answer leaned on."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who spoke, on what, at which price. A failed one has its exchanges too."""

    model: str = ""  # the identity that answered, as it names itself: scoreboards are kept by it
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()  # what else it said, one line each: a council's categories, a whale's flows
    exchanges: tuple[Exchange, ...] = ()

    @property
    def cost(self) -> Decimal:
        return sum((e.cost for e in self.exchanges), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Bytes that crossed a wire, or that were read from it, under their own hash."""

    data: bytes

    @property
    def sha(self) -> str:
        return sha(self.data)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
