"""What the chain shows of large ETH holders, as WHALE reads it. Values only; the reader is in onchain/."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from trading.errors import BadRecord, NoEvidence
from trading.model import require_utc
from trading.voice import Exchange, Lack, sha


class WalletClass(StrEnum):
    CEX = "CEX_Wallet"
    HOLDER = "Large_Holder"
    STAKER = "Staker"
    DEFI = "DeFi_Trader"
    MINER = "Miner"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one counterparty moved to and from exchange wallets within the window. ETH."""

    wallet: str  # its address, lower case
    label: str  # of a labelled wallet; "" where it has none
    kind: WalletClass
    kind_confidence: int  # millionths
    into: Decimal  # to exchanges: bearish
    out: Decimal  # from exchanges: bullish
    transactions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the chain. `as_of`: the newest block that was read; `at`: when it was asked (wall time)."""

    at: datetime
    as_of: datetime
    window: timedelta
    least: Decimal  # ETH: smaller transfers were not looked at
    exchanges: int  # labelled wallets that were read
    flows: tuple[Flow, ...]  # the largest first
    classifier: str  # "rules 1", or "catboost " and the hash of its file
    record: str  # SHA-256 of its canonical bytes in the ledger's store
    exchange: Exchange | None = None  # as the ledger has it; None: it was read back from its bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """What /whales shows."""

    reading: Reading | None
    why: str  # why there is none; "" where there is
    asked: int  # calls to the provider in the last 24 h
    cached: int  # answers of those 24 h that did not need one


class NoReading(NoEvidence):
    """The chain could not be read. The reason holds nothing of what the provider wrote, and no key."""

    def __init__(self, lack: Lack, reason: str) -> None:
        super().__init__(reason)
        self.lack, self.reason = lack, reason


# --- its canonical bytes ------------------------------------------------------------------------------------------

_TEXTS = ("wallet", "label")
_COUNTS = ("kind_confidence", "transactions")


def document(reading: Reading) -> bytes:
    """All of a reading but its own hash and its line in the ledger: equal readings give equal bytes."""
    plain = {
        "at": reading.at.isoformat(),
        "as_of": reading.as_of.isoformat(),
        "window_seconds": int(reading.window.total_seconds()),
        "least": str(reading.least),
        "exchanges": reading.exchanges,
        "flows": [_plain(flow) for flow in reading.flows],
        "classifier": reading.classifier,
    }
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def _plain(flow: Flow) -> dict[str, Any]:
    exact = {"into": str(flow.into), "out": str(flow.out), "kind": flow.kind.value}
    return exact | {name: getattr(flow, name) for name in (*_TEXTS, *_COUNTS)}


def read_document(data: bytes) -> Reading:
    """The reading that these bytes were made from. Raises BadRecord."""
    try:
        plain = orjson.loads(data)
        return Reading(
            at=_time(plain["at"]),
            as_of=_time(plain["as_of"]),
            window=timedelta(seconds=_count(plain["window_seconds"])),
            least=_exact(plain["least"]),
            exchanges=_count(plain["exchanges"]),
            flows=tuple(_flow(flow) for flow in plain["flows"]),
            classifier=_word(plain["classifier"]),
            record=sha(data),
        )
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise BadRecord(f"the bytes are no reading of the chain: {type(error).__name__}") from None


def _flow(plain: dict[str, Any]) -> Flow:
    return Flow(
        wallet=_word(plain["wallet"]),
        label=_word(plain["label"]),
        kind=WalletClass(plain["kind"]),
        kind_confidence=_count(plain["kind_confidence"]),
        into=_exact(plain["into"]),
        out=_exact(plain["out"]),
        transactions=_count(plain["transactions"]),
    )


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a count")
    return value


def _exact(value: object) -> Decimal:
    found = Decimal(_word(value))
    if not found.is_finite() or found < 0:
        raise ValueError("not an amount")
    return found


def _time(value: object) -> datetime:
    found = datetime.fromisoformat(_word(value))
    require_utc(found)
    return found
