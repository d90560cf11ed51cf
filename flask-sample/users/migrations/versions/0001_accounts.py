"""Accounts, refresh tokens and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "users"


def upgrade() -> None:
    now = sa.func.now()
    time = sa.DateTime(timezone=True)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", time, server_default=now, nullable=False),
        sa.Column("updated_at", time, server_default=now, nullable=False),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.CheckConstraint("role in ('user', 'admin')", name="ck_users_role"),
        schema=SCHEMA,
    )
    op.create_index("ix_users_page", "users", ["created_at", "id"], schema=SCHEMA)
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("family", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("spent_at", time),
        sa.Column("revoked_at", time),
        sa.ForeignKeyConstraint(
            ["user_id"], [f"{SCHEMA}.users.id"], name="fk_refresh_tokens_user_id", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    for name in ("family", "user_id"):
        op.create_index(f"ix_users_refresh_tokens_{name}", "refresh_tokens", [name], schema=SCHEMA)
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
    for table in ("outbox", "refresh_tokens", "users"):
        op.drop_table(table, schema=SCHEMA)
