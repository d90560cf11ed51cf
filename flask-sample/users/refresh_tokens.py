"""Refresh tokens: each is good for one use, and a second use ends all sessions of its login (RFC 9700, 4.14.2)."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta, timezone

from sqlalchemy import delete, func, select, update

from chassis.problems import Problem

from .models import Outbox, RefreshToken, User, db

LIFETIME = timedelta(days=14)
"""From the login on; a refresh does not prolong it."""


def begin_family(user: User) -> str:
    """The first token of a login."""
    expired = delete(RefreshToken).where(RefreshToken.user_id == user.id, RefreshToken.expires_at < func.now())
    db.session.execute(expired)
    return _add(user.id, uuid.uuid4(), datetime.now(timezone.utc) + LIFETIME)


def spend(token: str) -> tuple[User, str]:
    """Gives the user and the next token. Raises Problem 401."""
    digest = _digest(token)
    # First the user, then the token: a change of the password goes the same way, so neither waits for the other.
    owner = db.session.scalar(select(RefreshToken.user_id).where(RefreshToken.digest == digest))
    user = lock_owner(owner) if owner else None
    found = db.session.get(RefreshToken, digest, with_for_update=True)
    if found is None or user is None or found.revoked_at is not None or found.expires_at < datetime.now(timezone.utc):
        raise _refused("This refresh token is not valid, or no longer: log in again.")
    if found.spent_at is not None:
        revoke(RefreshToken.family == found.family)
        data = {"user_id": str(found.user_id), "family": str(found.family)}
        db.session.add(Outbox.event("user.refresh_token_reused.v1", f"users/{found.user_id}", data))
        db.session.commit()
        raise _refused("This refresh token was used before, so all sessions of its login have ended: log in again.")
    found.spent_at = datetime.now(timezone.utc)
    return user, _add(user.id, found.family, found.expires_at)


def lock_owner(user_id: uuid.UUID) -> User | None:
    """The user as they are now. Whoever changes the password waits, and then ends the session that begins meanwhile."""
    statement = select(User).where(User.id == user_id).with_for_update(read=True)
    return db.session.scalar(statement, execution_options={"populate_existing": True})


def end_family_of(token: str) -> None:
    """Logs out; an unknown token is no error."""
    found = db.session.get(RefreshToken, _digest(token))
    if found is not None:
        revoke(RefreshToken.family == found.family)


def revoke(condition: object) -> None:
    live = RefreshToken.revoked_at.is_(None)
    db.session.execute(update(RefreshToken).where(condition, live).values(revoked_at=func.now()))  # type: ignore[arg-type]


def _add(user_id: uuid.UUID, family: uuid.UUID, expires_at: datetime) -> str:
    token = secrets.token_urlsafe(32)
    row = RefreshToken(digest=_digest(token), family=family, user_id=user_id, expires_at=expires_at)
    db.session.add(row)
    return token


def _digest(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def _refused(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_grant"'})
