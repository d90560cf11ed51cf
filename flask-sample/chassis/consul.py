"""Registers a service in Consul, with a check that goes critical when the service stops telling that it is well."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import quote

from .settings import Settings

FORGET_AFTER = "1m"

_log = logging.getLogger("consul")


class Registration(threading.Thread):
    """After `ttl_seconds` without a word Consul takes the instance for critical."""

    def __init__(self, service: str, settings: Settings, healthy: Callable[[], bool]) -> None:
        super().__init__(name="consul", daemon=True)
        assert settings.consul_url is not None
        self._url, self._token = settings.consul_url.rstrip("/"), settings.consul_token
        self._healthy = healthy
        self._tell_every_s = settings.consul_ttl_seconds / 3
        host, port = settings.advertised_host, settings.advertised_port
        self._id = f"{service}-{host}-{port}"
        self._service = {
            "ID": self._id,
            "Name": service,
            "Address": host,
            "Port": port,
            "Tags": ["sluice-sample"],
            "Check": {
                "CheckID": f"service:{self._id}",
                "Name": "tells that it is well",
                "TTL": f"{settings.consul_ttl_seconds}s",
                # Known at once, not only after the first interval.
                "Status": "passing",
                "DeregisterCriticalServiceAfter": FORGET_AFTER,
            },
        }
        self._ending = threading.Event()
        self._told = False

    def run(self) -> None:
        registered = False
        while not self._ending.is_set():
            try:
                if not registered:
                    self._put("/v1/agent/service/register", self._service)
                    registered, self._told = True, False
                self._tell()
            except urllib.error.HTTPError as error:
                # An agent that has lost its state does not know the check any more.
                registered = False
                self._warn(f"{error.code} {error.read(200).decode(errors='replace').strip()}")
            except Exception as error:
                # Whatever it is, also an answer that is no HTTP: a thread that has ended would never register again.
                self._warn(f"{type(error).__name__}: {error}")
            self._ending.wait(self._tell_every_s)

    def close(self) -> None:
        """Takes the instance out of Consul, so that no more requests are sent to it."""
        self._ending.set()
        self.join(timeout=5)
        try:
            self._put(f"/v1/agent/service/deregister/{quote(self._id, safe='')}")
        except Exception as error:
            self._warn(f"{type(error).__name__}: {error}")

    def _tell(self) -> None:
        status = "passing" if self._healthy() else "critical"
        # The output stays the same: another one would be a change to all who watch.
        self._put(f"/v1/agent/check/update/{quote(f'service:{self._id}', safe='')}", {"Status": status, "Output": ""})

    def _put(self, path: str, body: object = None) -> None:
        headers = {"Content-Type": "application/json", **({"X-Consul-Token": self._token} if self._token else {})}
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method="PUT")
        with urllib.request.urlopen(request, timeout=3) as response:
            response.read()

    def _warn(self, reason: str) -> None:
        """Once an outage, not once a try."""
        if not self._told:
            _log.warning("not registered in Consul at %s: %s", self._url, reason)
            self._told = True
