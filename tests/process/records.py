"""What a desk has left on disk: its journal, the venue's account, what was told. Read without touching it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import NullPool, create_engine, select

from storage.codec import from_json, from_row
from storage.journal import GENESIS, row_hash
from storage.tables import POSITIONS
from trading.events import EVENTS, Event
from trading.model import ZERO, ClientId, Fill, FundingPayment, Position, Symbol
from trading.venues.paper_state import PaperPosition, Ticket, Totals

CONSOLE = "console:main"
E = TypeVar("E", bound=Event)
_FILL, _PAYMENT = TypeAdapter(Fill), TypeAdapter(FundingPayment)
_TICKET, _POSITION, _TOTALS = TypeAdapter(Ticket), TypeAdapter(PaperPosition), TypeAdapter(Totals)

# Every event but the decisions to wait, of which there are thousands.
_EVENTS = """SELECT journal.seq, kind, body FROM journal LEFT JOIN decisions ON decisions.seq = journal.seq
             WHERE decisions.seq IS NULL OR outcome IN ('long', 'short') ORDER BY journal.seq"""

_ALL = "SELECT seq, kind, body FROM journal ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Mail:
    """One row of the outbox."""

    seq: int
    destination: str
    lane: int
    state: str

    @property
    def key(self) -> str:
        return f"{self.seq}:{self.destination}"


@dataclass(slots=True, kw_only=True)
class Account:
    """The paper venue's own memory."""

    orders: dict[ClientId, Ticket] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    positions: dict[Symbol, PaperPosition] = field(default_factory=dict)
    wallet: Decimal | None = None  # None: it was never written


@dataclass(slots=True, kw_only=True)
class Records:
    """The desk's own memory. A file or table that is not there yet is empty: a process may die before it made it."""

    events: list[tuple[int, Event]] = field(default_factory=list)
    mail: list[Mail] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # keys in the terminal's transcript, in order
    start: Decimal | None = None
    realised: Decimal = ZERO
    positions: list[Position] = field(default_factory=list)
    account: Account = field(default_factory=Account)

    def of(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.events if isinstance(event, kind)]


def read(directory: Path, *, waits: bool = False) -> Records:
    """`waits`: with the decisions that came to no trade."""
    found = Records(account=_account(directory / "paper.db"))
    with closing(open_(directory / "gavel.db")) as database:
        if has(database, "outbox"):
            found.events = [
                (seq, from_json(EVENTS[kind], body)) for seq, kind, body in database.execute(_ALL if waits else _EVENTS)
            ]
            mail = database.execute("SELECT seq, destination, lane, state FROM outbox ORDER BY id")
            found.mail = [Mail(*row) for row in mail]
            for start, realised in database.execute("SELECT start_equity, realised FROM desk"):
                found.start, found.realised = Decimal(start), Decimal(realised)
            found.positions = _positions(directory / "gavel.db")
    found.told = transcript(directory / "console.jsonl")
    return found


def _positions(path: Path) -> list[Position]:
    engine = create_engine("sqlite://", creator=lambda: open_(path), poolclass=NullPool)
    with engine.connect() as connection:
        return [from_row(Position, row) for row in connection.execute(select(POSITIONS)).mappings()]


def open_(path: Path) -> sqlite3.Connection:
    """Read-only: looking must not be the repair."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True) if path.is_file() else sqlite3.connect(":memory:")


def has(database: sqlite3.Connection, table: str) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall())


def transcript(path: Path) -> list[str]:
    """The keys of every line; a line that is no JSON would raise: killed processes leave whole lines."""
    return [json.loads(line)["key"] for line in path.read_text().splitlines()] if path.is_file() else []


def _account(path: Path) -> Account:
    account = Account()
    with closing(open_(path)) as database:
        rows = database.execute("SELECT kind, key, body FROM rows ORDER BY key") if has(database, "rows") else ()
        for kind, key, body in rows:
            match kind:
                case "order":
                    account.orders[ClientId(key)] = _TICKET.validate_json(body)
                case "fill":
                    account.fills.append(_FILL.validate_json(body))
                case "funding":
                    account.payments.append(_PAYMENT.validate_json(body))
                case "position":
                    account.positions[Symbol(key)] = _POSITION.validate_json(body)
                case "totals":
                    account.wallet = _TOTALS.validate_json(body).wallet
    return account


@dataclass(slots=True)
class Chain:
    """The hash chain, read on from where the last look ended: what was seen once may never change."""

    seq: int = 0
    hash: str = GENESIS

    def faults(self, directory: Path) -> list[str]:
        with closing(open_(directory / "gavel.db")) as database:
            database.row_factory = sqlite3.Row
            if not has(database, "chain"):
                return [] if self.seq == 0 else ["the journal is gone"]
            rows = database.execute("SELECT * FROM journal WHERE seq >= ? ORDER BY seq", (self.seq,))
            for row in map(dict, rows):
                if fault := self._step(row):
                    return [fault]
            head = [tuple(row) for row in database.execute("SELECT seq, hash FROM chain")]
        ends = [(self.seq, self.hash)] if self.seq else []
        return [] if head == ends else [f"the journal ends with row {self.seq}, its chain says {head}"]

    def _step(self, row: dict[str, Any]) -> str:
        if row["seq"] == self.seq:
            return "" if row["hash"] == self.hash else f"row {self.seq} is not what it was"
        hash = row_hash(row | {"at": datetime.fromisoformat(row["at"])})
        if (row["seq"], row["prev"], row["hash"]) != (self.seq + 1, self.hash, hash):
            return f"the chain breaks at row {row['seq']}"
        self.seq, self.hash = row["seq"], hash
        return ""
