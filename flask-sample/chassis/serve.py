"""Runs a service until SIGTERM or SIGINT, and ends it without a failed request."""

from __future__ import annotations

import logging
import signal
import threading
import time

from waitress import create_server, wasyncore

from .consul import Registration
from .service import THREADS, Service

FINISH_WITHIN_S = 5.0


def serve(service: Service) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("pika", "alembic", "waitress.queue"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "pika" else logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = service.settings
    service.start()
    sockets: dict[int, object] = {}
    server = create_server(
        service.app, map=sockets, host=settings.host, port=settings.port, threads=THREADS, ident=None
    )
    listening = threading.Thread(target=server.run, daemon=True)
    listening.start()
    registration = _register(service)
    print(f"{service.name} on http://{settings.host}:{settings.port}", flush=True)
    stop.wait()
    # First out of Consul, then the requests that are still sent here, then the listener.
    if registration:
        registration.close()
    stop.clear()
    stop.wait(settings.drain_seconds)
    tasks = server.task_dispatcher
    deadline = time.monotonic() + FINISH_WITHIN_S
    while (tasks.active_count or tasks.queue) and time.monotonic() < deadline:
        time.sleep(0.02)
    # Within the server's own thread, whose loop ends when no socket is left.
    server.trigger.pull_trigger(lambda: wasyncore.close_all(sockets, ignore_all=True))
    listening.join(timeout=2)
    service.close()


def _register(service: Service) -> Registration | None:
    if service.settings.consul_url is None:
        return None
    registration = Registration(service.name, service.settings, service.is_healthy)
    registration.start()
    return registration
