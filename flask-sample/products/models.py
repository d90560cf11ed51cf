"""The tables of the products service."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, Index, Text, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from chassis.database import create_database
from chassis.outbox import OutboxColumns

db = create_database("products")


class Product(db.Model):  # type: ignore[name-defined]
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price_cents >= 0", name="price_cents"),
        CheckConstraint("stock >= 0", name="stock"),
        Index("ix_products_page", "created_at", "id"),
        Index("ix_products_created_by", "created_by"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    # Money is counted in whole cents: fractions of two have no exact decimal.
    price_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    stock: Mapped[int]
    # The user, or the consumer of the gateway where it knows no user.
    created_by: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )

    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}


class Outbox(OutboxColumns, db.Model):  # type: ignore[name-defined]
    pass
