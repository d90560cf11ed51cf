"""The outbox: events are rows of the transaction that makes them true, and a relay sends them to the broker.

An event is never lost: it is deleted here only after the broker has confirmed it. It may come twice, with the same
message id, when a process dies between the two.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column


class OutboxColumns:
    """The columns of a service's own outbox table."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message_id: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True)
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @classmethod
    def event(cls, type: str, subject: str, data: dict[str, Any]) -> OutboxColumns:
        """A row to add to the session.

        type: `user.created.v1`. subject: `users/<id>`. data: JSON, without secrets.
        """
        row = cls()
        row.message_id = uuid.uuid4()
        row.type, row.subject, row.data = type, subject, data
        row.occurred_at = datetime.now(timezone.utc)
        return row
