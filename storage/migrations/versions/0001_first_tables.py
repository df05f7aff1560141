"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=null)


def _number(name: str, *, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), primary_key=key, nullable=False, autoincrement=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _texts(names: str) -> list[sa.Column[Any]]:
    """A column for each word, "price? note"; decimals and times are text too; ? marks those that may be null."""
    return [_text(name.rstrip("?"), null=name.endswith("?")) for name in names.split()]


def upgrade() -> None:
    _journal()
    _orders()
    _positions()
    _surface()


def _journal() -> None:
    op.create_table("journal", _number("seq", key=True), *_texts("at kind symbol? decision_id? body prev hash"))
    op.create_index("ix_journal_kind", "journal", ["kind"])
    # Without the decisions themselves: they have an index of their own, and are by far the most.
    followed = sa.text("kind != 'DecisionMade'")
    op.create_index(
        "ix_journal_decision_id", "journal", ["decision_id"], sqlite_where=followed, postgresql_where=followed
    )
    op.create_table("chain", _number("id", key=True), _number("seq"), _text("hash"))
    op.create_table(
        "decisions",
        _text("id", key=True),
        _number("seq"),
        *_texts("symbol at outcome action"),
        _number("confidence"),
        sa.UniqueConstraint("seq", name="uq_decisions_seq"),
    )
    op.create_index("ix_decisions_at", "decisions", ["at"])


def _orders() -> None:
    op.create_table(
        "orders",
        _text("client_id", key=True),
        *_texts("decision_id leg symbol side kind quantity created_at price? trigger?"),
        _flag("reduce_only"),
        _number("leverage"),
        *_texts("status filled changed_at? note protection? plan?"),
    )
    op.create_index("ix_orders_decision_id", "orders", ["decision_id"])
    op.create_index("ix_orders_status", "orders", ["status"])
    op.create_table(
        "fills",
        _text("id", key=True),
        *_texts("client_id symbol side quantity price fee at"),
        _flag("maker"),
        _flag("liquidation"),
        _text("decision_id"),
        _number("seq"),
    )
    op.create_index("ix_fills_decision_id", "fills", ["decision_id"])
    op.create_table(
        "funding",
        _text("id", key=True),
        *_texts("symbol at rate amount position_id"),
        _number("seq"),
    )
    op.create_index("ix_funding_position_id", "funding", ["position_id"])


def _positions() -> None:
    op.create_table(
        "positions",
        _text("id", key=True),
        *_texts("symbol direction quantity cost"),
        _number("leverage"),
        *_texts("opened_at plan protection playbook entry_quantity entry_cost exit_quantity exit_value fees funding"),
        *_texts("guard guard_since? closing? closing_note"),
        _number("closes"),
    )
    op.create_table(
        "trades",
        _text("id", key=True),
        *_texts("symbol direction quantity entry exit opened_at closed_at gross fees funding r reason note playbook"),
        _number("leverage"),
        _number("seq"),
    )
    op.create_index("ix_trades_closed_at", "trades", ["closed_at"])
    op.create_table(
        "desk",
        _text("desk", key=True),
        *_texts("playbook start_equity realised trading halted_by halt_reason halted_at? phase? market_at? last_fill"),
        *_texts("last_funding day? day_equity waits_since? tags"),
    )


def _surface() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        _number("seq"),
        _text("destination"),
        _number("lane"),
        _flag("silent"),
        _text("state"),
        _number("attempts"),
        *_texts("queued_at next_try_at sent_at? reference error"),
        sa.UniqueConstraint("seq", "destination", name="uq_outbox_seq_destination"),
    )
    op.create_index("ix_outbox_queue", "outbox", ["state", "destination", "lane", "id"])
    op.create_table(
        "confirmations",
        _text("token", key=True),
        *_texts("owner place command summary asked_at expires_at used_at? used_by outcome"),
    )
    op.create_table("alert_prefs", _text("destination", key=True), _text("kind", key=True), _text("mode"))


def downgrade() -> None:
    for table in (
        "alert_prefs", "confirmations", "outbox", "desk", "trades", "positions",
        "funding", "fills", "orders", "decisions", "chain", "journal",
    ):  # fmt: skip
        op.drop_table(table)
