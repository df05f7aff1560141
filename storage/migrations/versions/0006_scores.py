"""How right everybody was: open calls, attendance and the judge's record on the desk's row, running sums beside it.

It begins with nothing: what was decided before was not called.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NEW: dict[str, str | None] = {"calls": "[]", "attendance": "[]", "judged": "[]", "weighed": None}


def upgrade() -> None:
    for name, default in _NEW.items():
        op.add_column("desk", sa.Column(name, sa.Text(), nullable=default is None, server_default=default))
    op.create_table(
        "scores",
        *(sa.Column(name, sa.Text(), primary_key=True, nullable=False) for name in ("version", "persona", "model")),
        sa.Column("place", sa.Integer(), primary_key=True, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("n", "right", "stated", "squares")),
    )


def downgrade() -> None:
    op.drop_table("scores")
    with op.batch_alter_table("desk") as desk:
        for name in _NEW:
            desk.drop_column(name)
