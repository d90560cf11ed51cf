from __future__ import annotations

import threading
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore

THREADS = 16


class Listener:
    """Serves an application at an address, and can stop listening there and start again."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._lock = threading.Lock()
        self._running: tuple[Any, dict[int, Any], threading.Thread] | None = None

    def start(self) -> None:
        """Raises OSError where the port is taken."""
        with self._lock:
            if self._running:
                return
            sockets: dict[int, Any] = {}
            server = create_server(
                self._app, map=sockets, host=self.host, port=self.port, threads=THREADS, ident=None
            )
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            self._running = server, sockets, thread

    def stop(self) -> None:
        """Closes the listener and every connection."""
        with self._lock:
            if not self._running:
                return
            server, sockets, thread = self._running
            # Within the server's own thread, whose loop ends when no socket is left.
            server.trigger.pull_trigger(lambda: wasyncore.close_all(sockets, ignore_all=True))
            thread.join()
            server.task_dispatcher.shutdown(timeout=1)
            self._running = None
