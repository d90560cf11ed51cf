"""Who calls: the user of the access token, as the database knows them now."""

from __future__ import annotations

import uuid

import jwt
from flask import current_app, request

from chassis.problems import Problem

from . import access_tokens
from .models import User, db


def caller() -> User:
    """Raises Problem 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refused("Log in first: this needs an access token (Authorization: Bearer …).", "")
    try:
        claims = access_tokens.verify(current_app.extensions["signing_keys"], token.strip())
        user = db.session.get(User, uuid.UUID(claims["sub"]))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _refused(f"The access token is refused: {error}.", ' error="invalid_token"') from None
    if user is None:
        raise _refused("There is no such user any more.", ' error="invalid_token"')
    return user


def self_or_admin(user_id: uuid.UUID) -> tuple[User, User]:
    """The caller, and the user who is meant. Raises Problem 401, 403 or 404."""
    who = caller()
    if who.id != user_id and who.role != "admin":
        raise Problem(403, "You may see and change your own account only.")
    user = db.session.get(User, user_id)
    if user is None:
        raise Problem(404, f"There is no user {user_id}.")
    return who, user


def _refused(detail: str, error: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": f'Bearer realm="users"{error}'})
