"""Pages by key: no row is shown twice or left out when others are inserted meanwhile."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import marshmallow as ma
from flask import request
from sqlalchemy import Select, tuple_


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CURSOR = r"^([0-9]{1,16})-([0-9a-f]{32})$"
"""Microseconds since 1970 and an id: each text of this form is a place in the list."""


class PageQuery(ma.Schema):
    """Parameters of every list."""

    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(1, 100), metadata={"description": "Rows a page"}
    )
    cursor = ma.fields.String(
        validate=ma.validate.Regexp(_CURSOR[:-1] + r"\Z", error="Is not a cursor of this list."),
        metadata={"pattern": _CURSOR, "description": "`next` of the page before"},
    )


def read_page(
    session: Any, model: Any, statement: Select[Any], limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """The newest rows first. Returns the rows and the cursor of the next page, None behind the last."""
    key = tuple_(model.created_at, model.id)
    if cursor is not None:
        statement = statement.where(key < tuple_(*_decode(cursor)))
    statement = statement.order_by(model.created_at.desc(), model.id.desc()).limit(limit + 1)
    rows = list(session.scalars(statement))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], _encode(last.created_at, last.id)


def next_link(cursor: str | None) -> dict[str, str]:
    """A Link field (RFC 8288), relative, so that it holds behind any route of a gateway."""
    if cursor is None:
        return {}
    query = urlencode({**request.args.to_dict(), "cursor": cursor})
    return {"Link": f'<?{query}>; rel="next"'}


def _encode(created_at: datetime, id: uuid.UUID) -> str:
    return f"{(created_at - _EPOCH) // timedelta(microseconds=1)}-{id.hex}"


def _decode(cursor: str) -> tuple[datetime, uuid.UUID]:
    at, _, id = cursor.partition("-")
    return _EPOCH + timedelta(microseconds=int(at)), uuid.UUID(id)
