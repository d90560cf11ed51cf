"""Register, and read, change and delete accounts."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from chassis.api import Blueprint
from chassis.paging import next_link, read_page
from chassis.preconditions import hashed, refuse_stale, tagged
from chassis.problems import Problem, field_error

from . import refresh_tokens
from .caller import caller, self_or_admin
from .models import Outbox, RefreshToken, User, db
from .passwords import hash_password, is_password
from .schemas import RegistrationSchema, UserChangeSchema, UserListQuery, UserPageSchema, UserSchema

blueprint = Blueprint("accounts", __name__, description="Accounts of people")
_bearer: dict[str, Any] = {"security": [{"bearer": []}]}


@blueprint.route("/users", methods=["POST"])
@blueprint.arguments(RegistrationSchema)
@blueprint.response(201, UserSchema)
@blueprint.alt_response(409, "CONFLICT")
def register(fields: dict[str, Any]) -> Response:
    """Registers an account

    Anybody may. An email address has one account, however it is written.
    """
    user = User(email=fields["email"], name=fields["name"], password_hash=hash_password(fields["password"]))
    db.session.add(user)
    _flush_email(fields["email"])
    emit("created", user)
    db.session.commit()
    response = tagged(_shown(user), user, 201)
    response.headers["Location"] = url_for("accounts.read", user_id=user.id)
    return response


@blueprint.route("/users", methods=["GET"])
@blueprint.arguments(UserListQuery, location="query")
@blueprint.response(200, UserPageSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.doc(**_bearer)
@blueprint.conditional("If-None-Match")
def list_users(query: dict[str, Any]) -> Response:
    """Lists accounts, the newest first

    For admins.
    """
    if caller().role != "admin":
        raise Problem(403, "Only admins may list accounts; your own is at /users/me.")
    rows, cursor = read_page(db.session, User, select(User), query["limit"], query.get("cursor"))
    response = hashed({"data": [_shown(row) for row in rows], "next": cursor})
    response.headers.extend(next_link(cursor))
    return _private(response)


@blueprint.route("/users/me", methods=["GET"])
@blueprint.response(200, UserSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.doc(**_bearer)
@blueprint.conditional("If-None-Match")
def read_own() -> Response:
    """Reads one's own account"""
    user = caller()
    return _private(tagged(_shown(user), user))


@blueprint.route("/users/<uuid:user_id>", methods=["GET"])
@blueprint.response(200, UserSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.doc(**_bearer)
@blueprint.conditional("If-None-Match")
def read(user_id: uuid.UUID) -> Response:
    """Reads an account"""
    _, user = self_or_admin(user_id)
    return _private(tagged(_shown(user), user))


@blueprint.route("/users/<uuid:user_id>", methods=["PATCH"])
@blueprint.arguments(UserChangeSchema)
@blueprint.response(200, UserSchema)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(409, "CONFLICT")
@blueprint.alt_response(412, "PRECONDITION_FAILED")
@blueprint.doc(**_bearer)
@blueprint.conditional("If-Match")
def change(fields: dict[str, Any], user_id: uuid.UUID) -> Response:
    """Changes an account

    With If-Match it changes only the version that the caller has seen. A new password ends all sessions.
    """
    who, user = self_or_admin(user_id)
    refuse_stale(user)
    _authorise(who, user, fields)
    if "password" in fields:
        user.password_hash = hash_password(fields["password"])
        refresh_tokens.revoke(RefreshToken.user_id == user.id)
    for name in ("email", "name", "role"):
        if name in fields:
            setattr(user, name, fields[name])
    if db.session.is_modified(user):
        _flush_email(user.email)
        emit("updated", user)
    db.session.commit()
    return _private(tagged(_shown(user), user))


@blueprint.route("/users/<uuid:user_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.alt_response(401, "UNAUTHORIZED")
@blueprint.alt_response(403, "FORBIDDEN")
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(412, "PRECONDITION_FAILED")
@blueprint.doc(**_bearer)
@blueprint.conditional("If-Match")
def delete(user_id: uuid.UUID) -> Response:
    """Deletes an account and ends its sessions"""
    _, user = self_or_admin(user_id)
    refuse_stale(user)
    db.session.delete(user)
    emit("deleted", user)
    db.session.commit()
    return Response(status=204)


def _authorise(who: User, user: User, fields: dict[str, Any]) -> None:
    """Raises Problem 403 that points to the field."""
    if "role" in fields and (who.role != "admin" or who.id == user.id):
        detail = "Only admins may change roles, and nobody their own."
        raise Problem(403, detail, [field_error("role", detail)])
    needs_password = who.id == user.id and {"email", "password"} & set(fields)
    if needs_password and not is_password(user.password_hash, fields.get("current_password", "")):
        detail = "Must be the present password, to change the email or the password."
        raise Problem(403, detail, [field_error("current_password", detail)])


def _flush_email(email: str) -> None:
    """Raises Problem 409 when somebody else has the address."""
    try:
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        if "uq_users_email" not in str(error.orig):
            raise
        detail = f"{email} has an account already."
        raise Problem(409, detail, [field_error("email", detail)]) from None


def _shown(user: User) -> dict[str, Any]:
    shown: dict[str, Any] = UserSchema().dump(user)
    return shown


def emit(what: str, user: User) -> None:
    data = _shown(user) if what != "deleted" else {"id": str(user.id)}
    db.session.add(Outbox.event(f"user.{what}.v1", f"users/{user.id}", data))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response
