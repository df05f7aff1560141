"""What the risk-first parts remember: exits of a position, the breaker, evidence, settings changed in the chat."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Empty JSON stands for the defaults of the class; it is read as such.
_NEW: dict[str, list[tuple[str, str | None]]] = {
    "orders": [("expected", None)],
    "positions": [("memory", "{}"), ("moving", None)],
    "desk": [
        ("breaker", "{}"),
        ("samples", "{}"),
        ("evidence", "{}"),
        ("rounds_at", None),
        ("health", None),
        ("shadow", "[]"),
        ("overrides", "{}"),
        ("amendments", "[]"),
        ("beside", "[]"),
    ],
}
_COUNTS = ("rounds", "version")


def _text(name: str, default: str | None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=default is None, server_default=default)


def upgrade() -> None:
    for table, columns in _NEW.items():
        for name, default in columns:
            op.add_column(table, _text(name, default))
    for name in _COUNTS:
        op.add_column("desk", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in _COUNTS:
        op.drop_column("desk", name)
    for table, columns in _NEW.items():
        for name, _ in columns:
            op.drop_column(table, name)
