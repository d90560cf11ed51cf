"""Errors as problem details (RFC 9457), which point to each wrong field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """Raised to answer with a status and a sentence that says what is wrong."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = status
        self.errors = list(errors)
        self.headers = dict(headers or {})


def field_error(field: str, detail: str) -> dict[str, str]:
    """A wrong field of the body, by JSON pointer."""
    return {"pointer": f"/{field}", "detail": detail}


def problem_response(error: HTTPException) -> Response:
    """Also for errors of Flask and of webargs, which keeps its messages in `data`."""
    status = error.code or 500
    data: Mapping[str, Any] = getattr(error, "data", None) or {}
    errors = getattr(error, "errors", None) or list(_validation_errors(data.get("messages", {})))
    headers = {**dict(data.get("headers") or {}), **getattr(error, "headers", {})}
    if status == 405 and getattr(error, "valid_methods", None):
        headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "The request is not valid." if data else (error.description or ""),
    }
    if errors:
        body["errors"] = errors
    return Response(json.dumps(body) + "\n", status, {**headers, "Cache-Control": "no-store"}, content_type=MEDIA_TYPE)


def _validation_errors(messages: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    for location, found in messages.items():
        for path, detail in _walk(found):
            if location == "json":
                yield {"pointer": "".join(f"/{_escape(part)}" for part in path), "detail": detail}
            else:
                yield {"parameter": ".".join(path), "detail": detail}


def _walk(found: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], str]]:
    if isinstance(found, Mapping):
        for name, inner in found.items():
            yield from _walk(inner, path if name == "_schema" else (*path, str(name)))
    elif isinstance(found, list):
        for detail in found:
            yield path, str(detail)
    else:
        yield path, str(found)


def _escape(part: str) -> str:
    """RFC 6901."""
    return part.replace("~", "~0").replace("/", "~1")


def install(app: Flask) -> None:
    """Answers what the database and the body's type can do wrong; HTTP errors are the Api's."""

    @app.before_request
    def refuse_other_types() -> None:
        if request.method not in ("POST", "PUT", "PATCH") or request.url_rule is None:
            return
        if not request.content_length:
            raise Problem(400, "The body is missing: it must be a JSON object.")
        if not request.is_json:
            raise Problem(415, "The body must be JSON (Content-Type: application/json).")

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeout)
    def database_away(error: Exception) -> Response:
        app.logger.error("database unavailable: %s", error.__class__.__name__)
        detail = "The database of this service does not answer."
        return problem_response(Problem(503, detail, headers={"Retry-After": "2"}))

    @app.errorhandler(DBAPIError)
    def database_error(error: DBAPIError) -> Response:
        if error.connection_invalidated:
            return database_away(error)
        app.logger.exception("database error")
        return problem_response(Problem(500, "The service made a mistake; its log says more."))

    @app.errorhandler(StaleDataError)
    def changed_meanwhile(_: StaleDataError) -> Response:
        return problem_response(Problem(409, "It was changed meanwhile: read it again."))
