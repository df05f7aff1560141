"""Who has confirmed live trading, and when. A desk of before has been confirmed by nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("desk", sa.Column("live_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("desk", sa.Column("live_at", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("desk") as desk:
        desk.drop_column("live_by")
        desk.drop_column("live_at")
