"""The failure switch: makes the service misbehave as upstreams do, so that a circuit breaker has work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

MODES = ("ok", "fail", "slow", "hang", "refuse")
MAX_DELAY_MS = 60_000


@dataclass(frozen=True)
class Behaviour:
    """What a request meets.

    ok: its answer. fail: the status instead. slow: its answer after delay_ms. hang: nothing, until the mode
    changes. refuse: nobody listens.
    """

    mode: str = "ok"
    delay_ms: int = 2_000
    status: int = 500

    @staticmethod
    def parse(body: Any) -> "Behaviour":
        """Raises ValueError that names the wrong field."""
        if not isinstance(body, dict) or body.get("mode") not in MODES:
            raise ValueError(f"mode: must be one of {', '.join(MODES)}")
        unknown = set(body) - {"mode", "delay_ms", "status"}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: unknown field")
        return Behaviour(
            mode=body["mode"],
            delay_ms=_integer(body, "delay_ms", Behaviour.delay_ms, 0, MAX_DELAY_MS),
            status=_integer(body, "status", Behaviour.status, 400, 599),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Switch:
    """Holds the behaviour; a request that hangs waits here for the next one."""

    def __init__(self, follow: Callable[[Behaviour], None] = lambda _: None) -> None:
        """follow is told of each new behaviour."""
        self._follow = follow
        self._changed = threading.Condition()
        self._behaviour = Behaviour()

    @property
    def behaviour(self) -> Behaviour:
        return self._behaviour

    def set(self, behaviour: Behaviour) -> None:
        with self._changed:
            self._behaviour = behaviour
            self._changed.notify_all()
        self._follow(behaviour)

    def wait_while_hanging(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._behaviour.mode != "hang")

    def sleep(self, delay_ms: int) -> None:
        """Waits, but no longer than the present behaviour lasts."""
        present = self._behaviour
        with self._changed:
            self._changed.wait_for(lambda: self._behaviour is not present, timeout=delay_ms / 1000)


def _integer(body: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name}: must be a whole number from {least} to {most}")
    return value
