"""The dictionary, a sample upstream service: words with their meanings from WordNet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from switch import Behaviour, Switch

DICTIONARY = Path(__file__).parent / "data" / "dictionary.json"
MAX_BODY_BYTES = 4096


def load_dictionary(file: Path = DICTIONARY) -> dict[str, Any]:
    words: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return words


def create_app(words: dict[str, Any], switch: Switch) -> Flask:
    """The public service."""
    app = _plain_app()

    @app.before_request
    def misbehave() -> tuple[Response, int] | None:
        if request.path == "/health":
            return None
        behaviour = switch.behaviour
        if behaviour.mode == "slow":
            switch.sleep(behaviour.delay_ms)
        elif behaviour.mode == "hang":
            switch.wait_while_hanging()
        elif behaviour.mode == "fail":
            return jsonify(message="the failure switch is on"), behaviour.status
        return None

    @app.get("/")
    def welcome() -> Response:
        return jsonify(data="Welcome to dictionary")

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok", words=len(words))

    @app.get("/<word>")
    def look_up(word: str) -> Response | tuple[Response, int]:
        name = word.strip().lower()
        if name not in words:
            return jsonify(message="word not found", word=word), 404
        return jsonify(data={"word": name, "meanings": words[name]})

    return app


def create_control(switch: Switch) -> Flask:
    """The failure switch over HTTP. It has a listener of its own, which no route of a gateway leads to."""
    app = _plain_app()

    @app.get("/_control")
    def show() -> Response:
        return jsonify(switch.behaviour.as_json())

    @app.post("/_control")
    def change() -> Response | tuple[Response, int]:
        try:
            behaviour = Behaviour.parse(request.get_json(force=True))
        except ValueError as error:
            return jsonify(message=str(error)), 400
        switch.set(behaviour)
        return jsonify(behaviour.as_json())

    return app


def _plain_app() -> Flask:
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.errorhandler(HTTPException)
    def as_json(error: HTTPException) -> tuple[Response, int]:
        return jsonify(message=error.name.lower()), error.code or 500

    return app
