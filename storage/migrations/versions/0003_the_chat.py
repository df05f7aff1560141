"""The chat: people and their accounts, places and wishes, threads and bundles of messages, running sums of trades."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.sums import Closed, days, keys_of, rows_of, said_in, summed

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW: dict[str, list[tuple[str, str | None]]] = {
    "desk": [("locks", "[]"), ("flattened_at", None), ("summed", "{}")],
    "outbox": [("thread", ""), ("bundle", ""), ("instead_of", "")],
    "confirmations": [("code", ""), ("quoted", ""), ("destination", ""), ("reference", "")],
}
_FLAGS = [("outbox", "critical"), ("confirmations", "others"), ("confirmations", "greyed")]
_TABLES = ("people", "accounts", "wishes", "destinations", "streams", "pins", "pulse", "tallies", "curve")


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=null)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _texts(names: str) -> list[sa.Column[Any]]:
    """A column for each word; ! marks the parts of the key, ? those that may be null."""
    return [_text(name.rstrip("?!"), key=name.endswith("!"), null=name.endswith("?")) for name in names.split()]


def upgrade() -> None:
    for table, columns in _NEW.items():
        for name, default in columns:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=default is None, server_default=default))
    for table, name in _FLAGS:
        op.add_column(table, sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    threaded = sa.text("thread != ''")
    op.create_index(
        "ix_outbox_thread", "outbox", ["thread", "destination"], sqlite_where=threaded, postgresql_where=threaded
    )
    critical = sa.text("critical")
    op.create_index(
        "ix_outbox_critical", "outbox", ["state", "queued_at"], sqlite_where=critical, postgresql_where=critical
    )
    op.create_index("ix_decisions_symbol", "decisions", ["symbol", "seq"])
    op.create_index("ix_decisions_outcome", "decisions", ["outcome", "seq"])
    op.create_index("ix_trades_seq", "trades", ["seq", "id"])
    _people()
    _figures()


def _people() -> None:
    op.create_table("people", *_texts("id! name"), _number("role"), *_texts("source added_by added_at"))
    op.create_table("accounts", *_texts("key! person added_at"))
    op.create_index("ix_accounts_person", "accounts", ["person"])
    op.create_table("wishes", *_texts("owner! wish! value by at"))
    op.create_table("destinations", _text("destination", key=True), _flag("active"), *_texts("by at"))
    op.create_table("streams", *_texts("destination! stream! goes_to by at"))
    op.create_table("pins", *_texts("destination! reference body at"))
    op.create_table("pulse", sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False), *_texts("at"))


def _figures() -> None:
    tallies = op.create_table(
        "tallies",
        *_texts("dimension! key! day!"),
        _number("trades"),
        _number("wins"),
        *_texts("gross fees funding won lost r"),
    )
    curve = op.create_table(
        "curve",
        *_texts("day! opened_at equity high high_at low low_at"),
        *_texts("fall_fraction? fall_peak? fall_low? fall_since? fall_until?"),
        *_texts("peak peak_at bottom bottom_at"),
        *_texts("ever_fraction? ever_peak? ever_low? ever_since? ever_until?"),
    )
    _sum_up(op.get_bind(), tallies, curve)


# --- the running sums of what is there already --------------------------------------------------------------------

_TRADES = """
    SELECT t.*, j.body
    FROM trades t LEFT JOIN decisions d ON d.id = t.id LEFT JOIN journal j ON j.seq = d.seq
    ORDER BY t.closed_at, t.id
"""


def _sum_up(connection: sa.Connection, tallies: sa.Table, curve: sa.Table) -> None:
    trades = [_closed(row) for row in connection.execute(sa.text(_TRADES))]
    if trades:
        start = Decimal(connection.scalar(sa.text("SELECT start_equity FROM desk LIMIT 1")) or 0)
        op.bulk_insert(tallies, [_plain(row) for row in rows_of(summed(trades))])
        op.bulk_insert(curve, [_plain(day.row()) for day in days(trades, start)])


def _closed(row: sa.Row[Any]) -> Closed:
    said = None if row.body is None else said_in(row.body)
    return Closed(
        opened_at=datetime.fromisoformat(row.opened_at),
        at=datetime.fromisoformat(row.closed_at),
        gross=Decimal(row.gross),
        fees=Decimal(row.fees),
        funding=Decimal(row.funding),
        r=Decimal(row.r),
        keys=keys_of(row.symbol, row.direction, reason=row.reason, playbook=row.playbook, said=said),
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """As the columns keep it."""
    return {name: _text_of(value) for name, value in row.items()}


def _text_of(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat(timespec="microseconds")[:-6] + "Z"
        case Decimal():
            return str(value)
    return value


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("ix_trades_seq", "trades")
    op.drop_index("ix_decisions_outcome", "decisions")
    op.drop_index("ix_decisions_symbol", "decisions")
    op.drop_index("ix_outbox_critical", "outbox")
    op.drop_index("ix_outbox_thread", "outbox")
    for table, name in _FLAGS:
        op.drop_column(table, name)
    for table, columns in _NEW.items():
        for name, _ in columns:
            op.drop_column(table, name)
