"""Settings from the environment. A secret may come from a file instead, named by the same variable with _FILE."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What each service needs; docs are in flask-sample/README.md."""

    host: str
    port: int
    database_url: str
    amqp_url: str | None
    jwks_url: str
    token_issuer: str
    consul_url: str | None
    consul_token: str | None
    consul_ttl_seconds: float
    advertised_host: str
    advertised_port: int
    drain_seconds: float


def read_settings(default_port: int, env: Mapping[str, str] = os.environ) -> Settings:
    """Exits with status 1 and every wrong setting named with its reason."""
    reader = Reader(env)
    host, port = reader.address("SAMPLE_LISTEN", f"127.0.0.1:{default_port}")
    advertised = reader.address("SAMPLE_ADVERTISE", f"{_reachable(host)}:{port}")
    settings = Settings(
        host=host,
        port=port,
        database_url=reader.url("SAMPLE_DATABASE_URL", ("postgres", "postgresql"), required=True) or "",
        amqp_url=reader.url("SAMPLE_AMQP_URL", ("amqp", "amqps")),
        jwks_url=reader.url("SLUICE_JWKS_URL", ("http", "https"), required=True) or "",
        token_issuer=reader.text("SLUICE_TOKEN_ISSUER") or "sluice",
        consul_url=reader.consul("CONSUL_HTTP_ADDR"),
        consul_token=reader.text("CONSUL_HTTP_TOKEN"),
        consul_ttl_seconds=reader.number("SAMPLE_CONSUL_TTL_SECONDS", 10),
        advertised_host=advertised[0],
        advertised_port=advertised[1],
        drain_seconds=reader.number("SAMPLE_DRAIN_SECONDS", 0),
    )
    reader.finish()
    return settings


class Reader:
    """Reads variables and remembers what is wrong with them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        file = self._env.get(f"{name}_FILE")
        if not file:
            return self._env.get(name) or None
        try:
            return Path(file).read_text(encoding="utf-8").strip() or None
        except OSError as error:
            self.problems.append(f"{name}_FILE: {error}")
            return None

    def url(self, name: str, schemes: tuple[str, ...], required: bool = False) -> str | None:
        text = self.text(name)
        if text is None:
            if required:
                self.problems.append(f"{name}: is not set")
        elif not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            # Not repeated: it may hold a password.
            self.problems.append(f"{name}: must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    def consul(self, name: str) -> str | None:
        """Consul's own tools take an address with or without a scheme."""
        text = self.text(name)
        return text if text is None or "://" in text else f"http://{text}"

    def address(self, name: str, default: str) -> tuple[str, int]:
        text = self.text(name) or default
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            self.problems.append(f"{name}: {text!r} is not HOST:PORT")
            return "127.0.0.1", 0
        return host.strip("[]"), int(port)

    def number(self, name: str, default: float) -> float:
        text = self.text(name)
        return default if text is None else self._parse(name, text, float)

    def _parse(self, name: str, text: str, parse: Callable[[str], float]) -> float:
        try:
            return parse(text)
        except ValueError:
            self.problems.append(f"{name}: {text!r} is not a number")
            return 0

    def finish(self) -> None:
        if self.problems:
            sys.exit("invalid settings:\n  " + "\n  ".join(self.problems))


def _reachable(host: str) -> str:
    """Others cannot reach the address that stands for all of a machine."""
    return socket.gethostname() if host in ("0.0.0.0", "::") else host
