"""The HTTP API with its OpenAPI 3.1 document: flask-smorest, with problem details for errors."""

from __future__ import annotations

import http
import re
from collections.abc import Callable
from typing import Any

import flask_smorest
import marshmallow as ma
from flask import Flask, Response
from flask_smorest.utils import prepare_response
from werkzeug.exceptions import HTTPException

from .problems import MEDIA_TYPE, problem_response


class FieldErrorSchema(ma.Schema):
    """One wrong part of a request."""

    pointer = ma.fields.String(metadata={"description": "JSON pointer to the wrong field of the body"})
    parameter = ma.fields.String(metadata={"description": "Name of the wrong parameter"})
    detail = ma.fields.String(required=True, metadata={"description": "What is wrong with it"})


class ProblemSchema(ma.Schema):
    """Problem details (RFC 9457)."""

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True, metadata={"description": "What is wrong, for people"})
    errors = ma.fields.List(ma.fields.Nested(FieldErrorSchema))


_CONDITIONS = {
    "If-None-Match": "ETag of the copy at hand: 304 when it is still right",
    "If-Match": "ETag of the version that may be changed: 412 when there is another by now",
}


class Blueprint(flask_smorest.Blueprint):
    """Routes with operation ids (the names of the functions), and with preconditions in the document."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(_document_condition)

    def add_url_rule(self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **kwargs: Any) -> None:
        operation_id = re.sub(r"_(.)", lambda match: match[1].upper(), view_func.__name__)
        super().add_url_rule(rule, endpoint, self.doc(operationId=operation_id)(view_func), *args, **kwargs)

    def conditional(self, field: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Documents the request field that the route observes: If-None-Match or If-Match."""

        def mark(function: Callable[..., Any]) -> Callable[..., Any]:
            function._apidoc = {**getattr(function, "_apidoc", {}), "condition": field}  # type: ignore[attr-defined]
            return function

        return mark


def _document_condition(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    field = doc_info.get("condition")
    if field:
        parameter = {"in": "header", "name": field, "schema": {"type": "string"}, "description": _CONDITIONS[field]}
        doc.setdefault("parameters", []).append(parameter)
        if field == "If-None-Match":
            doc.setdefault("responses", {})["304"] = {"description": "Not Modified"}
    return doc


class Api(flask_smorest.Api):
    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        return problem_response(error)

    def _register_responses(self) -> None:
        """As flask-smorest does it, but with the media type of problem details."""
        names = [(status.name, status.phrase) for status in http.HTTPStatus if status >= 400]
        for name, description in [*names, ("DEFAULT_ERROR", "Any other error")]:
            response: dict[str, Any] = {"description": description, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, MEDIA_TYPE)
            self.spec.components.response(name, response, lazy=True)


def create_api(app: Flask, title: str, description: str, prefix: str, schemes: dict[str, Any] | None = None) -> Api:
    """Serves the document at /openapi.json, and at PREFIX/openapi.json for those who come through the gateway.

    schemes: what the service itself asks of its clients; what the gateway asks is its own to document.
    """
    app.config.update(
        API_TITLE=title,
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        API_SPEC_OPTIONS={
            "info": {"description": description},
            **({"components": {"securitySchemes": schemes}} if schemes else {}),
        },
    )
    api = Api(app)
    app.add_url_rule(f"{prefix}/openapi.json", "openapi_behind_gateway", api._openapi_json)
    return api
