"""The HTTP API with its OpenAPI 3.1 document: flask-smorest, with problem details for errors."""

from __future__ import annotations

import http
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


def create_api(app: Flask, title: str, description: str, prefix: str) -> Api:
    """Serves the document at /openapi.json, and at PREFIX/openapi.json for those who come through the gateway."""
    app.config.update(
        API_TITLE=title,
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        API_SPEC_OPTIONS={
            "info": {"description": description},
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
        },
    )
    api = Api(app)
    app.add_url_rule(f"{prefix}/openapi.json", "openapi_behind_gateway", api._openapi_json)
    return api
