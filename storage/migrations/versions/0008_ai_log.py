"""What a competition has to be told of each decision, order and close."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXTS = ("symbol", "decision", "lookup", "client_id", "fill", "body", "order_id", "note")


def upgrade() -> None:
    op.create_table(
        "ai_log",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("key", "at", "state", *_TEXTS)),
        sa.Column("done_at", sa.Text(), nullable=True),
        sa.UniqueConstraint("key", name="uq_ai_log_key"),
    )
    op.create_index("ix_ai_log_decision", "ai_log", ["decision"])
    op.create_index("ix_ai_log_state", "ai_log", ["state", "id"])


def downgrade() -> None:
    op.drop_table("ai_log")
