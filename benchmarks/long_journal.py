"""A database as a desk of three years leaves it: every row valid, the hash chain and the running sums too."""

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Table

from storage.codec import to_json, to_row
from storage.database import Database
from storage.journal import GENESIS
from storage.tables import CHAIN, DESK, FILLS, ORDERS, TRADES
from storage.tallies import rebuild
from tests import surface_examples as examples
from tests.storage_builders import a_desk
from trading.decision import Opinion
from trading.events import DecisionMade
from trading.model import ExitReason, Leg, OrderStatus
from trading.playbook import load

BEGINS = datetime(2023, 1, 1, tzinfo=UTC)
LASTS = timedelta(days=3 * 365)
_BATCH = 20_000
_EXITS = tuple(ExitReason)
_JOURNAL = "INSERT INTO journal (seq, at, kind, symbol, decision_id, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_DECISIONS = "INSERT INTO decisions (id, seq, symbol, at, outcome, action, confidence) VALUES (?, ?, ?, ?, ?, ?, ?)"


async def fill(path: Path, *, trades: int, decisions: int) -> None:
    """As many decisions, every so many of which has become a trade. The rows go past journal and log of the database,
    and the indexes come after them: the sums are made by the code that makes them in a migrated desk."""
    await (await Database.open(path)).close()
    _write(path, _made(decisions, every=decisions // trades))
    database = await Database.open(path)
    await database.write(rebuild)
    await database.close()


def _write(path: Path, made: "Iterator[Made]") -> None:
    raw = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-100000"):
        raw.execute(f"PRAGMA {pragma}")
    indexes = raw.execute(_INDEXES).fetchall()
    raw.execute("BEGIN")
    for name, _ in indexes:
        raw.execute(f"DROP INDEX {name}")
    _insert(raw, DESK, [tuple(_raw(DESK, to_row(a_desk(start_equity=Decimal(100_000)))).values())])
    while batch := list(islice(made, _BATCH)):
        raw.executemany(_JOURNAL, [row for row, _, _ in batch])
        raw.executemany(_DECISIONS, [row for _, row, _ in batch])
        _close(raw, [trade for _, _, trade in batch if trade])
        head = batch[-1][0]
    _insert(raw, CHAIN, [(1, head[0], head[-1])])
    for _, statement in indexes:
        raw.execute(statement)
    raw.execute("COMMIT")
    raw.close()


def _insert(raw: sqlite3.Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    names, places = ", ".join(table.columns.keys()), ", ".join("?" * len(table.columns))
    raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({places})", rows)


Made = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...] | None]


def _made(decisions: int, *, every: int) -> Iterator[Made]:
    """The rows of each decision in journal and index, and what is to become of it. Past the desk's own classes, which
    would take an hour; the hash is made as the journal makes it."""
    chance, prev, step = random.Random(7), GENESIS, LASTS / decisions
    symbols = [f"{base}/USDT:USDT" for base in load("desk").universe]
    bodies = {outcome: _body(outcome) for outcome in ("long", "denied", "wait")}
    for seq in range(1, decisions + 1):
        at, symbol = BEGINS + seq * step, chance.choice(symbols)
        traded = seq % every == 0
        outcome = "long" if traded else "wait" if chance.random() < 0.7 else "denied"
        id, when = f"{symbol[:3].strip('/').lower()}-{seq:08x}", _text(at)
        body = bodies[outcome].replace("-id-", id).replace("-symbol-", symbol).replace("-at-", when)
        header = orjson.dumps([prev, seq, at.isoformat(), "DecisionMade", symbol, id])
        hash = hashlib.sha256(header + body.encode()).hexdigest()
        journal = seq, when, "DecisionMade", symbol, id, body, prev, hash
        action = "wait" if outcome == "wait" else "long"
        index = id, seq, symbol, when, outcome, action, 712_345
        yield journal, index, (id, symbol, at, at + 40 * step, seq, chance.gauss(0.4, 12)) if traded else None
        prev = hash


def _body(outcome: str) -> str:
    """The record of a decision as JSON, marked where one differs from the next."""
    decision = examples.a_decision(outcome)
    spoken = tuple(replace(o, evidence=()) if isinstance(o, Opinion) else o for o in decision.opinions)
    marked = replace(decision, id="-id-", symbol="-symbol-", opinions=spoken)
    text = to_json(DecisionMade(at=decision.at, decision=marked)).decode()
    for at in {decision.at, decision.seen.bar_closed_at}:
        text = text.replace(at.isoformat().replace("+00:00", "Z"), "-at-")
    return text


def _close(raw: sqlite3.Connection, trades: list[tuple[Any, ...]]) -> None:
    """The trades with their orders and fills: one of each, changed where they differ."""
    found: dict[Table, list[tuple[Any, ...]]] = {TRADES: [], ORDERS: [], FILLS: []}
    for id, symbol, opened, closed, seq, gross in trades:
        earned = {"gross": f"{gross:.4f}", "r": f"{gross / 10:.4f}", "reason": _EXITS[seq % len(_EXITS)].value}
        times = {"opened_at": _text(opened), "closed_at": _text(closed)}
        found[TRADES].append(_like(_TRADE, id=id, symbol=symbol, seq=seq, **times, **earned))
        for leg, side, at in (("entry", "buy", opened), ("close", "sell", closed)):
            order = f"gv-{id}-{leg[0]}0"
            common = {"client_id": order, "symbol": symbol, "decision_id": id, "side": side}
            found[ORDERS].append(
                _like(_ORDER, leg=leg, created_at=_text(at), changed_at=_text(at), reduce_only=leg != "entry", **common)
            )
            found[FILLS].append(_like(_FILL, id=f"{id}-{leg}", at=_text(at), seq=seq, **common))
    for table, rows in found.items():
        _insert(raw, table, rows)


def _raw(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row as SQLite keeps it, in the order of the columns."""
    return {column.name: _plain(row.get(column.name)) for column in table.columns}


def _plain(value: Any) -> Any:
    return _text(value) if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


def _like(row: dict[str, Any], **others: Any) -> tuple[Any, ...]:
    return tuple((row | others).values())


_FILLED = examples.an_order(Leg.CLOSE, status=OrderStatus.FILLED, filled=Decimal("0.0124"))
_TRADE = _raw(TRADES, to_row(examples.a_trade()))
_ORDER = _raw(ORDERS, to_row(_FILLED))
_FILL = _raw(FILLS, to_row(examples.a_fill()))
