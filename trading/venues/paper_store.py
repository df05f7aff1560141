"""The paper venue's memory: one SQLite file of its own, so that the account survives the desk, as a real one would.

A row is a kind, a key and the value as JSON, exact to the digit. One bar or one request is one transaction.
"""

import sqlite3
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from trading.errors import BadRecord
from trading.model import ZERO, Fill, FundingPayment, Symbol
from trading.venues.paper_book import Account, Changes
from trading.venues.paper_state import Market, PaperPosition, Ticket, Totals

VERSION = 1
_SCHEMA = "CREATE TABLE rows (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
_PUT = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body"
_DROP = "DELETE FROM rows WHERE kind = ? AND key = ?"
_READ = "SELECT key, body FROM rows WHERE kind = ? ORDER BY key"

_TOTALS = TypeAdapter(Totals)
_MARKET = TypeAdapter(Market)
_POSITION = TypeAdapter(PaperPosition)
_TICKET = TypeAdapter(Ticket)
_FILL = TypeAdapter(Fill)
_PAYMENT = TypeAdapter(FundingPayment)

Row = tuple[str, str, bytes]


class PaperStore:
    """Raises BadRecord for a file that is not its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            raise BadRecord(f"paper account {path}: {error}") from error

    @classmethod
    def look(cls, path: Path) -> Account:
        """What a file holds, beside whoever writes it; its fills and totals too. Raises BadRecord."""
        store = cls.__new__(cls)
        store._path = path
        try:
            store._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
            try:
                (version,) = store._db.execute("PRAGMA user_version").fetchone()
                if version != VERSION:
                    raise BadRecord(f"paper account {path}: version {version}, this program reads {VERSION}")
                return store.load(Account(ZERO))
            finally:
                store.close()
        except sqlite3.Error as error:
            raise BadRecord(f"paper account {path}: {error}") from error

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise BadRecord(f"paper account {self._path}: version {version}, this program writes {VERSION}")

    def load(self, account: Account) -> Account:
        """Fill a new account with what is stored; an empty store leaves it as it is."""
        try:
            for _, body in self._read("totals"):
                account.totals = _TOTALS.validate_json(body)
            account.markets = {Symbol(key): _MARKET.validate_json(body) for key, body in self._read("market")}
            account.positions = {Symbol(key): _POSITION.validate_json(body) for key, body in self._read("position")}
            account.fills = [_FILL.validate_json(body) for _, body in self._read("fill")]
            account.payments = [_PAYMENT.validate_json(body) for _, body in self._read("funding")]
            tickets = [_TICKET.validate_json(body) for _, body in self._read("order")]
        except ValidationError as error:
            raise BadRecord(f"paper account {self._path}: {error}") from error
        for ticket in sorted(tickets, key=lambda t: t.number):
            order = ticket.order
            account.tickets[order.client_id] = ticket
            if order.status.working:
                account.working.setdefault(order.symbol, {})[order.client_id] = ticket
        return account

    def write(self, account: Account, changes: Changes, markets: tuple[Market, ...]) -> None:
        """Raises sqlite3.Error; then nothing of it was written."""
        rows: list[Row] = [("totals", "", _TOTALS.dump_json(account.totals))]
        rows += [("market", m.symbol, _MARKET.dump_json(m)) for m in markets]
        rows += [("order", key, _TICKET.dump_json(ticket)) for key, ticket in changes.tickets.items()]
        rows += [("fill", fill.id, _FILL.dump_json(fill)) for fill in changes.fills]
        rows += [("funding", payment.id, _PAYMENT.dump_json(payment)) for payment in changes.payments]
        held = {symbol: account.positions.get(symbol) for symbol in changes.positions}
        rows += [("position", symbol, _POSITION.dump_json(p)) for symbol, p in held.items() if p]
        closed = [("position", symbol) for symbol, p in held.items() if p is None]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_PUT, rows)
            if closed:
                self._db.executemany(_DROP, closed)

    def close(self) -> None:
        self._db.close()

    def _read(self, kind: str) -> list[tuple[str, bytes]]:
        return self._db.execute(_READ, (kind,)).fetchall()
