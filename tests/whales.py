"""Wallets and readings of the chain for tests. What is generated here is synthetic: made from how such wallets are
described, not from what was seen of any."""

import csv
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from bot.render.whales import whales_card
from tests.fakes.etherscan_api import EMPTY, Row, block_of, ok
from tests.shown import Shown, shown
from trading.chain import ChainView, Flow, Reading, WalletClass
from trading.onchain.wallets import load
from trading.personas.whale import sided
from trading.voice import Exchange

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BINANCE, COINBASE = "0x28c6c06298d514db089934071355e5743bf21d60", "0x71660c4005ba85c37ccec55d0c4493e66fe775d3"
EXCHANGES = load().exchanges
DEPOSITS = "0x00000000219ab540356cbb839cbe05303d7705fa"  # where validators are paid in
WEI = 10**18
D = Decimal


def an_address(n: int) -> str:
    return f"0x{n:040x}"


def a_row(at: datetime, sender: str, to: str, eth: Decimal | float, *, method: str = "0x", failed: bool = False) -> Row:
    """A normal transaction, with every field that was recorded of a real one."""
    n = block_of(at)
    return {
        "blockNumber": str(n), "timeStamp": str(int(at.timestamp())), "hash": f"0x{n:064x}",
        "nonce": "2", "blockHash": f"0x{n:064x}", "transactionIndex": "18", "from": sender, "to": to,
        "value": str(int(D(str(eth)) * WEI)), "gas": "21000", "gasPrice": "4294527457", "isError": str(int(failed)),
        "txreceipt_status": str(int(not failed)), "input": method, "contractAddress": "",
        "cumulativeGasUsed": "2228588", "gasUsed": "21000", "confirmations": "3483913", "methodId": method,
        "functionName": "",
    }  # fmt: skip


def an_internal_row(at: datetime, sender: str, to: str, eth: Decimal | float) -> Row:
    row = a_row(at, sender, to, eth)
    kept = ("blockNumber", "timeStamp", "hash", "from", "to", "value", "contractAddress", "gas", "gasUsed", "isError")
    return {name: row[name] for name in kept} | {
        "input": "",
        "type": "call",
        "traceId": "0_1",
        "errCode": "",
        "gasUsed": "0",
    }


def a_token_row(at: datetime, sender: str, to: str, token: str, *, decimals: str = "18", name: str = "Token") -> Row:
    row = a_row(at, sender, to, 1_500)
    gone = ("isError", "txreceipt_status", "methodId", "functionName")
    kept = {name: value for name, value in row.items() if name not in gone}
    return kept | {
        "contractAddress": token,
        "tokenName": name,
        "tokenSymbol": "TKN",
        "tokenDecimal": decimals,
        "input": "deprecated",
    }


# --- readings -----------------------------------------------------------------------------------------------------


def a_flow(kind: WalletClass = WalletClass.CEX, into: str = "1000", out: str = "0", **changes: Any) -> Flow:
    made = Flow(
        wallet=an_address(0xA11CE), label="", kind=kind, kind_confidence=700_000, into=D(into), out=D(out),
        transactions=1,
    )  # fmt: skip
    return replace(made, **changes)


def a_reading(*flows: Flow, **changes: Any) -> Reading:
    exchange = Exchange(id=7, purpose="whale", provider="etherscan", requested="rules 1", returned="rules 1", at=AT)
    made = Reading(
        at=AT, as_of=AT - timedelta(minutes=2), window=6 * HOUR, least=D(100), exchanges=8, flows=flows,
        classifier="rules 1", record="ab" * 32, exchange=exchange,
    )  # fmt: skip
    return replace(made, **changes)


MANY = tuple(
    a_flow(
        kind,
        into,
        out,
        wallet=an_address(0xA11CE + 0x1000 * n),
        label=label,
        kind_confidence=700_000 - 10_000 * n,
        transactions=n,
    )
    for n, (kind, into, out, label) in enumerate(
        (
            (WalletClass.CEX, "4200.5", "0", ""),
            (WalletClass.HOLDER, "0", "2600", "Old treasury"),
            (WalletClass.HOLDER, "900", "150", ""),
            (WalletClass.MINER, "800", "0", "Pool: payouts"),
            (WalletClass.DEFI, "300", "410", ""),
            (WalletClass.STAKER, "0", "320", ""),
            (WalletClass.UNKNOWN, "250", "0", ""),
            (WalletClass.UNKNOWN, "0", "140", ""),
            (WalletClass.UNKNOWN, "100", "0", ""),
        ),
        1,
    )
)

CARDS: dict[str, Shown] = {
    "whales": shown(whales_card, ChainView(reading=a_reading(*MANY), why="", asked=63, cached=211)),
    "whales_trained": shown(
        whales_card,
        ChainView(reading=a_reading(MANY[1], classifier="catboost 0123456789ab"), why="", asked=1, cached=0),
    ),
    "whales_still": shown(whales_card, ChainView(reading=a_reading(), why="", asked=18, cached=4)),
    "whales_none": shown(
        whales_card, ChainView(reading=None, why="off: no key (ETHERSCAN_API_KEY)", asked=0, cached=0)
    ),
}


# What the card works out of its view.


def flows_of(view: ChainView) -> tuple[Flow, ...]:
    return view.reading.flows if view.reading else ()


def shortened(view: ChainView) -> Iterable[str]:
    return (f"{flow.wallet[:6]}…{flow.wallet[-4:]}" for flow in flows_of(view))


def in_whole_eth(view: ChainView) -> Iterable[str]:
    """Of each wallet, of each class, and of all."""
    moved = sided(flows_of(view))
    classes = {flow.kind for flow in flows_of(view)}
    both = (
        (sum(f.into for f in flows_of(view) if f.kind is kind), sum(f.out for f in flows_of(view) if f.kind is kind))
        for kind in classes
    )
    each = ((flow.into, flow.out) for flow in flows_of(view))
    amounts = (moved.into, moved.out, moved.aside, moved.net, *chain.from_iterable((*both, *each)))
    return (f"{abs(amount):,.0f}" for amount in amounts)


# --- wallets as they are described --------------------------------------------------------------------------------

History = dict[str, list[Row]]


def _steps(dice: random.Random, count: int, hours: float) -> Iterable[datetime]:
    """Moments back from now, about so many hours apart."""
    at = AT - dice.random() * HOUR
    for _ in range(count):
        yield at
        at -= dice.uniform(0.3, 1.7) * hours * HOUR


def _stranger(dice: random.Random) -> str:
    return an_address(dice.getrandbits(159))


def an_exchange_wallet(me: str, dice: random.Random) -> History:
    """Busy day and night: payouts to thousands of strangers, sweeps to and from the exchange's other wallets."""
    rows = []
    for at in _steps(dice, dice.randint(120, 260), 2):
        sweep = dice.random() < 0.25
        other = dice.choice(sorted(EXCHANGES)) if sweep else _stranger(dice)
        eth = dice.uniform(50, 900) if sweep else dice.lognormvariate(0, 1.5)
        rows.append(a_row(at, me, other, eth) if dice.random() < 0.7 else a_row(at, other, me, eth))
    tokens = [a_token_row(at, me, _stranger(dice), an_address(dice.randint(1, 40))) for at in _steps(dice, 90, 5)]
    return {"txlist": rows, "tokentx": tokens, "txlistinternal": []}


def a_large_holder(me: str, dice: random.Random) -> History:
    """Seldom, and then a lot, with the same few."""
    friends = [_stranger(dice) for _ in range(3)]
    rows = []
    for at in _steps(dice, dice.randint(4, 14), 140):
        eth = dice.uniform(120, 4_000)
        pair = (me, dice.choice(friends)) if dice.random() < 0.5 else (dice.choice(friends), me)
        rows.append(a_row(at, *pair, eth))
    return {"txlist": rows, "tokentx": [], "txlistinternal": []}


def a_staker(me: str, dice: random.Random) -> History:
    """Deposits of 32 ETH, one validator each; what it earns comes from contracts, small and even."""
    paid = [a_row(at, me, DEPOSITS, 32, method="0x22895118") for at in _steps(dice, dice.randint(6, 30), 60)]
    funded = [a_row(at, _stranger(dice), me, 32 * dice.randint(2, 6)) for at in _steps(dice, dice.randint(2, 5), 300)]
    earned = [an_internal_row(at, DEPOSITS, me, dice.uniform(0.01, 0.08)) for at in _steps(dice, 60, 30)]
    return {"txlist": paid + funded, "tokentx": [], "txlistinternal": earned}


def a_defi_trader(me: str, dice: random.Random) -> History:
    """Calls of routers and pools all day, many tokens, ETH back from contracts."""
    routers = [an_address(0xDEF1 + n) for n in range(4)]
    methods = ("0x7ff36ab5", "0x18cbafe5", "0x3593564c", "0x12aa3caf", "0x5ae401dc")
    rows = [
        a_row(at, me, dice.choice(routers), dice.uniform(0, 6), method=dice.choice(methods))
        for at in _steps(dice, dice.randint(50, 160), 9)
    ]
    tokens = [
        a_token_row(at, dice.choice(routers), me, an_address(dice.getrandbits(40))) for at in _steps(dice, 90, 12)
    ]
    back = [an_internal_row(at, dice.choice(routers), me, dice.uniform(0, 6)) for at in _steps(dice, 40, 20)]
    return {"txlist": rows, "tokentx": tokens, "txlistinternal": back}


def a_miner(me: str, dice: random.Random) -> History:
    """Pool payouts of one size at one pace, sold in a lump at an exchange now and then."""
    pool, size = _stranger(dice), dice.uniform(1, 12)
    paid = [a_row(at, pool, me, size * dice.uniform(0.97, 1.03)) for at in _steps(dice, dice.randint(40, 80), 24)]
    sold = [a_row(at, me, BINANCE, size * 20) for at in _steps(dice, dice.randint(2, 5), 400)]
    return {"txlist": paid + sold, "tokentx": [], "txlistinternal": []}


BEHAVIOURS: dict[WalletClass, Callable[[str, random.Random], History]] = {
    WalletClass.CEX: an_exchange_wallet,
    WalletClass.HOLDER: a_large_holder,
    WalletClass.STAKER: a_staker,
    WalletClass.DEFI: a_defi_trader,
    WalletClass.MINER: a_miner,
}


def blurred(kind: WalletClass, me: str, dice: random.Random) -> History:
    """Nobody is of one kind alone: every third wallet has another one's habits as well, so that no model is perfect."""
    own = BEHAVIOURS[kind](me, dice)
    if dice.random() < 0.65:
        return own
    other = BEHAVIOURS[dice.choice(list(BEHAVIOURS))](me, dice)
    return {action: rows + other[action] for action, rows in own.items()}


def bodies(history: History) -> dict[str, Any]:
    """As Etherscan sends them, newest first."""
    return {
        action: ok(sorted(rows, key=lambda row: -int(row["blockNumber"]))) if rows else EMPTY
        for action, rows in history.items()
    }


def write_labelled(folder: Path, each: int = 24, *, seed: int = 5) -> Path:
    """LABELS.csv and a folder of histories: `each` wallets of every class, generated."""
    dice = random.Random(seed)
    histories = folder / "histories"
    histories.mkdir(parents=True)
    labels = folder / "labels.csv"
    with labels.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("address", "class", "origin"))
        for n, kind in enumerate(kind for kind in BEHAVIOURS for _ in range(each)):
            address = an_address(0xC0FFEE000000 + n)
            told = bodies(blurred(kind, address, dice)) | {"balance": str(dice.randint(1, 5_000) * WEI)}
            (histories / f"{address}.json").write_text(json.dumps(told))
            table.writerow((address, kind.value, "generated"))
    return labels
