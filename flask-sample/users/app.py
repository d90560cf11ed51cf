"""The users service: accounts of people, and the tokens with which they log in."""

from __future__ import annotations

from pathlib import Path

from flask import Response, jsonify

from chassis.api import create_api
from chassis.service import Service
from chassis.settings import Settings

from . import accounts, sessions
from .models import Outbox, db
from .signing_keys import SigningKeys

FOLDER = Path(__file__).parent


def create_service(settings: Settings, keys: SigningKeys) -> Service:
    service = Service("users", settings, db, Outbox, FOLDER / "migrations")
    app = service.app
    app.extensions["signing_keys"] = keys
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    description = "Accounts of people, and the tokens with which they log in."
    api = create_api(app, "Users", description, "/users", {"bearer": bearer})
    api.register_blueprint(accounts.blueprint)
    api.register_blueprint(sessions.blueprint)

    @app.get("/.well-known/jwks.json")
    def jwks() -> Response:
        response = jsonify(keys.jwks())
        response.headers["Cache-Control"] = "public, max-age=60"
        return response

    return service
