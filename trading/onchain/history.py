"""What an address did, from the rows that Etherscan gives: read strictly, for training and for serving alike."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

SPAN = timedelta(days=90)  # what a wallet is judged by
MOST_ROWS = 2_000  # of each kind: the newest; a busier wallet is known by them
WEI = Decimal(10) ** 18
_DIGITS = 78  # of the largest number that the chain can hold
_LAST_SECOND = 253_402_300_799


class Action(StrEnum):
    """The three lists of an address, by Etherscan's names."""

    NORMAL = "txlist"
    TOKENS = "tokentx"
    INTERNAL = "txlistinternal"


class BadRows(ValueError):
    """Not what Etherscan sends. The message says what, without a word of the answer itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row. `value`: ETH; of a token transfer 0, a token's amount is not money here."""

    at: datetime
    block: int
    sender: str  # lower case, "" where there is none
    to: str
    value: Decimal
    fee: Decimal  # ETH that the sender paid for gas; 0 where the row does not say
    failed: bool
    method: str  # "0xa9059cbb" of a call, "" of a plain transfer
    token: str  # address of its contract, "" of ETH
    nft: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletHistory:
    """What is known of one address at `until`, newest first. `exchanges`: addresses of labelled exchange wallets."""

    address: str
    until: datetime
    normal: tuple[Transfer, ...]
    tokens: tuple[Transfer, ...]
    internal: tuple[Transfer, ...]
    balance: Decimal | None  # ETH; None: not known
    exchanges: frozenset[str]


def history(
    address: str,
    rows: dict[Action, Sequence[Transfer]],
    *,
    until: datetime,
    balance: Decimal | None,
    exchanges: frozenset[str],
) -> WalletHistory:
    """The same window and the same cap, wherever the rows come from."""

    def kept(action: Action) -> tuple[Transfer, ...]:
        within = (row for row in rows.get(action, ()) if until - SPAN <= row.at <= until)
        return tuple(sorted(within, key=lambda row: row.at, reverse=True)[:MOST_ROWS])

    return WalletHistory(
        address=address.lower(),
        until=until,
        normal=kept(Action.NORMAL),
        tokens=kept(Action.TOKENS),
        internal=kept(Action.INTERNAL),
        balance=balance,
        exchanges=exchanges,
    )


# --- bodies -------------------------------------------------------------------------------------------------------


def read_json(body: bytes) -> Any:
    """Raises BadRows: no JSON, a key twice, a number that is none."""
    try:
        return json.loads(body, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRows(str(error) if isinstance(error, BadRows) else "it is no JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRows("it has a key twice")
    return found


def _no_number(_: str) -> None:
    raise BadRows("it has a number that is none")


def transfers(rows: Any, action: Action) -> tuple[Transfer, ...]:
    """Raises BadRows unless each row is one."""
    if not isinstance(rows, list):
        raise BadRows("its result is no list")
    return tuple(_transfer(row, action) for row in rows)


def _transfer(row: Any, action: Action) -> Transfer:
    if not isinstance(row, dict):
        raise BadRows("a row is no object")
    tokens, method = action is Action.TOKENS, row.get("methodId", "")
    gas = number(row.get("gasUsed") or "0") * number(row.get("gasPrice") or "0")
    return Transfer(
        at=_time(row.get("timeStamp")),
        block=number(row.get("blockNumber")),
        sender=_address(row.get("from")),
        to=_address(row.get("to")),
        value=Decimal(0) if tokens else number(row.get("value")) / WEI,
        fee=gas / WEI if action is Action.NORMAL else Decimal(0),
        failed=row.get("isError", "0") != "0",
        method=method if isinstance(method, str) and len(method) == 10 else "",
        token=_address(row.get("contractAddress")) if tokens else "",
        nft=tokens and ("tokenID" in row or row.get("tokenDecimal") in ("", "0")),
    )


def number(value: Any) -> int:
    """A whole number as the chain writes it. Raises BadRows."""
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()) or len(value) > _DIGITS:
        raise BadRows("a number is not one")
    return int(value)


def _time(value: Any) -> datetime:
    seconds = number(value)
    if seconds > _LAST_SECOND:
        raise BadRows("a time is not one")
    return datetime.fromtimestamp(seconds, UTC)


def _address(value: Any) -> str:
    """Lower case; "" for the receiver of a contract's creation, and for the sender of the first coins of all."""
    if value in ("", None, "GENESIS"):
        return ""
    if not isinstance(value, str) or not is_address(value.lower()):
        raise BadRows("an address is not one")
    return value.lower()


def is_address(text: str) -> bool:
    return len(text) == 42 and text.startswith("0x") and not set(text[2:]) - set("0123456789abcdef")


def newest(rows: Iterable[Transfer]) -> datetime | None:
    return max((row.at for row in rows), default=None)
