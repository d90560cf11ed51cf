"""Products and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "products"


def upgrade() -> None:
    now = sa.func.now()
    time = sa.DateTime(timezone=True)
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price_cents", sa.Integer, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", time, server_default=now, nullable=False),
        sa.Column("updated_at", time, server_default=now, nullable=False),
        sa.CheckConstraint("price_cents >= 0", name="ck_products_price_cents"),
        sa.CheckConstraint("stock >= 0", name="ck_products_stock"),
        schema=SCHEMA,
    )
    op.create_index("ix_products_page", "products", ["created_at", "id"], schema=SCHEMA)
    op.create_index("ix_products_created_by", "products", ["created_by"], schema=SCHEMA)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("occurred_at", time, nullable=False),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("outbox", "products"):
        op.drop_table(table, schema=SCHEMA)
