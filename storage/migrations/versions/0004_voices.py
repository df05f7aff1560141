"""Voices: every exchange with a model, what it cost, and the bytes of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXTS = "at about purpose provider requested returned lack reason prompt prompt_hash request response"
_NUMBERS = "status latency_ms tokens_in tokens_out searches"


def upgrade() -> None:
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS.split()),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _NUMBERS.split()),
        sa.Column("cost", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_exchanges_at", "exchanges", ["at"])
    op.create_table(
        "bodies",
        sa.Column("sha", sa.Text(), primary_key=True, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
    )
    op.create_index("ix_bodies_at", "bodies", ["at"])


def downgrade() -> None:
    op.drop_table("bodies")
    op.drop_table("exchanges")
