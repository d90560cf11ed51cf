"""Runs the dictionary and its failure switch.

    SAMPLE_LISTEN    HOST:PORT of the service (127.0.0.1:9550)
    SAMPLE_CONTROL   HOST:PORT of the failure switch (127.0.0.1:9551), or `off`
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from app import create_app, create_control, load_dictionary
from listener import Listener
from switch import Behaviour, Switch


def address(variable: str, default: str) -> tuple[str, int]:
    host, _, port = os.environ.get(variable, default).rpartition(":")
    if not host or not port.isdigit():
        sys.exit(f"{variable}: not HOST:PORT")
    return host.strip("[]"), int(port)


def main() -> None:
    def follow(behaviour: Behaviour) -> None:
        public.stop() if behaviour.mode == "refuse" else public.start()

    switch = Switch(follow)
    public = Listener(create_app(load_dictionary(), switch), *address("SAMPLE_LISTEN", "127.0.0.1:9550"))
    listeners = [public]
    if os.environ.get("SAMPLE_CONTROL") != "off":
        listeners.append(Listener(create_control(switch), *address("SAMPLE_CONTROL", "127.0.0.1:9551")))

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Who finds the service healthy may use the failure switch at once, so the service begins last.
    for listener in reversed(listeners):
        listener.start()
    print(f"dictionary on http://{public.host}:{public.port}", flush=True)
    stop.wait()
    switch.set(Behaviour())
    for listener in listeners:
        listener.stop()


if __name__ == "__main__":
    main()
