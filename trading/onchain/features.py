"""What a wallet is like, in 32 numbers: one function, for training and for serving.

"Transactions" are the normal ones that did not fail; "value" is their ETH. Over the last 90 days, or the newest 2,000
of each kind where there are more. The list is that of playbooks.md section 5; it spells out 30, and the shares of DeFi
and exchange interactions, beside their counts as everywhere else in it, make 32.
"""

import math
import statistics
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from trading.onchain.history import Transfer, WalletHistory
from trading.voice import sha

LARGE = Decimal(100)  # ETH

# Name -> unit. The order is part of the schema.
SCHEMA: dict[str, str] = {
    "count_in": "transactions received",
    "count_out": "transactions sent",
    "count_total": "transactions",
    "volume_in": "ETH",
    "volume_out": "ETH",
    "net_flow": "ETH, in minus out",
    "value_mean": "ETH",
    "value_max": "ETH",
    "value_min": "ETH",
    "value_std": "ETH, of the population",
    "value_median": "ETH",
    "counterparties": "distinct addresses",
    "active_days": "UTC days with a transaction",
    "gap_hours": "hours, mean between two transactions",
    "per_day": "transactions a day, first to last, at least one day",
    "erc20_count": "transfers",
    "nft_count": "transfers of tokens without decimals or with an id",
    "internal_count": "transfers made by contracts",
    "erc20_ratio": "share of all transfers of every kind",
    "nft_ratio": "share of all transfers of every kind",
    "internal_ratio": "share of all transfers of every kind",
    "distinct_tokens": "token contracts",
    "defi_count": "own calls of contracts that are neither token transfers nor approvals nor staking",
    "exchange_count": "transactions with labelled exchange wallets",
    "defi_ratio": "share of transactions",
    "exchange_ratio": "share of transactions",
    "large_count": "transactions of at least 100 ETH",
    "large_ratio": "share of transactions",
    "gas_mean": "ETH a sent transaction, failed ones too",
    "gas_max": "ETH",
    "gas_total": "ETH",
    "log_balance": "natural logarithm of 1 + ETH; not a number where it is not known",
}
NAMES = tuple(SCHEMA)
SCHEMA_HASH = sha("\n".join(f"{name}: {unit}" for name, unit in SCHEMA.items()).encode())

# transfer, approve, transferFrom; setApprovalForAll; deposit of a validator; submit to a staking pool.
_NOT_DEFI = {"0xa9059cbb", "0x095ea7b3", "0x23b872dd", "0xa22cb465", "0x22895118", "0xa1903eab"}
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def features(history: WalletHistory) -> tuple[float, ...]:
    """In the order of NAMES. All finite, but for `log_balance` of an unknown balance."""
    done = [row for row in history.normal if not row.failed]
    parts = (
        *_amounts(done, history.address),
        *_times(done, history.address),
        *_kinds(history, len(done)),
        *_dealings(done, history),
        *_gas(row.fee for row in history.normal if row.sender == history.address),
        math.nan if history.balance is None else math.log1p(float(history.balance)),
    )
    return tuple(float(part) for part in parts)


def _amounts(rows: list[Transfer], address: str) -> Iterable[float | Decimal]:
    received = [row.value for row in rows if row.to == address]
    sent = [row.value for row in rows if row.sender == address]
    values = [float(row.value) for row in rows] or [0.0]
    money_in, money_out = sum(received, Decimal(0)), sum(sent, Decimal(0))
    return (
        len(received),
        len(sent),
        len(rows),
        money_in,
        money_out,
        money_in - money_out,
        statistics.fmean(values),
        max(values),
        min(values),
        statistics.pstdev(values),
        statistics.median(values),
    )


def _times(rows: list[Transfer], address: str) -> Iterable[float]:
    others = {row.sender if row.to == address else row.to for row in rows} - {"", address}
    at = sorted(row.at for row in rows)
    span = at[-1] - at[0] if at else timedelta(0)
    gap = span / _HOUR / (len(at) - 1) if len(at) > 1 else 0.0
    return len(others), len({moment.date() for moment in at}), gap, len(rows) / max(span / _DAY, 1.0)


def _kinds(history: WalletHistory, normal: int) -> Iterable[float]:
    nfts = sum(row.nft for row in history.tokens)
    internal = sum(not row.failed for row in history.internal)
    counts = (len(history.tokens) - nfts, nfts, internal)
    every = normal + sum(counts)
    return *counts, *(_share(count, every) for count in counts), len({row.token for row in history.tokens})


def _dealings(rows: list[Transfer], history: WalletHistory) -> Iterable[float]:
    defi = sum(row.sender == history.address and bool(row.method) and row.method not in _NOT_DEFI for row in rows)
    dealt = sum(bool({row.sender, row.to} - {history.address} & history.exchanges) for row in rows)
    large = sum(row.value >= LARGE for row in rows)
    return defi, dealt, _share(defi, len(rows)), _share(dealt, len(rows)), large, _share(large, len(rows))


def _gas(fees: Iterable[Decimal]) -> Iterable[float]:
    paid = [float(fee) for fee in fees] or [0.0]
    return statistics.fmean(paid), max(paid), math.fsum(paid)


def _share(part: int, of: int) -> float:
    return part / of if of else 0.0
