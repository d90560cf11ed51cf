"""Puts the parts together: an application that answers only who comes through the gateway."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jwt
from flask import Flask, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from . import database, metrics, problems
from .outbox import OutboxColumns
from .relay import Relay
from .settings import Settings
from .upstream_token import KeysUnavailable, UpstreamToken

THREADS = 16
MAX_BODY_BYTES = 64 * 1024
TOKEN_FIELD = "Sluice-Token"
OPEN_PATHS = ("/health", "/metrics", "/openapi.json", "/.well-known/jwks.json")
"""No route of the gateway leads there."""


class Service:
    """One service: its application, its database and its relay."""

    def __init__(
        self, name: str, settings: Settings, db: SQLAlchemy, outbox: type[OutboxColumns], migrations: Path
    ) -> None:
        self.name = name
        self.settings = settings
        self.db = db
        self._outbox = outbox
        self.relay = Relay(name, settings.database_url, settings.amqp_url) if settings.amqp_url else None
        self.app = app = Flask(name, static_folder=None)
        app.json.sort_keys = False  # type: ignore[attr-defined]
        app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
        app.url_map.strict_slashes = False
        database.install(app, db, settings.database_url, migrations, THREADS)
        metrics.install(app, self._waiting)
        problems.install(app)
        self._guard(UpstreamToken(settings.jwks_url, name, settings.token_issuer))
        app.add_url_rule("/health", view_func=self._health)

    def start(self) -> None:
        """Migrates, and begins to send events."""
        database.migrate(self.app)
        if self.relay:
            relay = self.relay

            @event.listens_for(self.db.session, "after_commit")
            def wake(_: Any) -> None:
                relay.wake()

            relay.start()

    def close(self) -> None:
        if self.relay:
            self.relay.close()

    def is_healthy(self) -> bool:
        with self.app.app_context():
            try:
                self.db.session.execute(text("select 1"))
                return True
            except SQLAlchemyError:
                return False
            finally:
                self.db.session.remove()

    def _guard(self, upstream: UpstreamToken) -> None:
        @self.app.before_request
        def refuse_strangers() -> None:
            if request.path in OPEN_PATHS:
                return
            token = request.headers.get(TOKEN_FIELD)
            if token is None:
                raise problems.Problem(401, "Come through the gateway: this service answers nobody else.")
            try:
                g.upstream = upstream.verify(token)
            except KeysUnavailable:
                detail = "The keys of the gateway cannot be fetched."
                raise problems.Problem(503, detail, headers={"Retry-After": "1"}) from None
            except jwt.InvalidTokenError as error:
                raise problems.Problem(401, f"{TOKEN_FIELD}: {error}.") from None

    def _health(self) -> ResponseReturnValue:
        """The broker never makes the service unhealthy: its events wait."""
        healthy = self.is_healthy()
        broker = "off" if self.relay is None else self.relay.problem or "ok"
        body = {"status": "ok" if healthy else "failing", "database": "ok" if healthy else "away", "broker": broker}
        return jsonify(body), 200 if healthy else 503

    def _waiting(self) -> float:
        with self.app.app_context():
            try:
                return float(self.db.session.scalar(select(func.count()).select_from(self._outbox)) or 0)
            except SQLAlchemyError:
                return math.nan
            finally:
                self.db.session.remove()
