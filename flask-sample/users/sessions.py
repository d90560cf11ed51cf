"""Log in, stay logged in, log out."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify
from sqlalchemy import select

from chassis.api import Blueprint
from chassis.problems import Problem

from . import access_tokens, refresh_tokens
from .models import User, db
from .passwords import hash_password, is_outdated, is_password
from .schemas import LoginSchema, RefreshSchema, TokensSchema
from .signing_keys import TOKENS_LIVE_S

blueprint = Blueprint("sessions", __name__, description="Tokens of people who are logged in")


@blueprint.route("/users/login", methods=["POST"])
@blueprint.arguments(LoginSchema)
@blueprint.response(200, TokensSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
def log_in(fields: dict[str, Any]) -> Response:
    """Logs in with email and password"""
    user = _prove(fields["email"].lower(), fields["password"])
    return _answer(user, refresh_tokens.begin_family(user))


@blueprint.route("/users/refresh", methods=["POST"])
@blueprint.arguments(RefreshSchema)
@blueprint.response(200, TokensSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
def refresh(fields: dict[str, Any]) -> Response:
    """Exchanges a refresh token for new tokens

    Each refresh token is good once. Using one again ends all sessions of its login, since somebody may have stolen it.
    """
    return _answer(*refresh_tokens.spend(fields["refresh_token"]))


@blueprint.route("/users/logout", methods=["POST"])
@blueprint.arguments(RefreshSchema)
@blueprint.response(204)
def log_out(fields: dict[str, Any]) -> Response:
    """Ends the session of a refresh token"""
    refresh_tokens.end_family_of(fields["refresh_token"])
    db.session.commit()
    return Response(status=204)


def _prove(email: str, password: str) -> User:
    """Raises Problem 401."""
    user = db.session.scalar(select(User).where(User.email == email))
    stored = user.password_hash if user else None
    if is_password(stored, password) and user is not None:
        if is_outdated(user.password_hash):
            user.password_hash = stored = hash_password(password)
            db.session.flush()
        user = refresh_tokens.lock_owner(user.id)
        if user is not None and user.password_hash == stored:
            return user
    detail = "The email or the password is wrong."
    raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_grant"'})


def _answer(user: User, refresh_token: str) -> Response:
    access_token = access_tokens.issue(current_app.extensions["signing_keys"], user)
    db.session.commit()
    response = jsonify(
        access_token=access_token,
        token_type="Bearer",
        expires_in=TOKENS_LIVE_S,
        refresh_token=refresh_token,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
