"""Verifies the token by which the gateway shows that a request came through it. Needs PyJWT and cryptography.

This file stands alone: copy it into a service of your own.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from typing import Any

import jwt


class KeysUnavailable(Exception):
    """The gateway's keys cannot be fetched, so the token can be neither accepted nor called wrong."""


class UpstreamToken:
    """Thread-safe. Fetches the keys when a key id is unknown (at most every 10 s), and every 5 minutes."""

    def __init__(self, jwks_url: str, audience: str, issuer: str = "sluice") -> None:
        self._url, self._audience, self._issuer = jwks_url, audience, issuer
        self._lock = threading.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at, self._problem = float("-inf"), ""

    def verify(self, token: str) -> dict[str, Any]:
        """The token's claims. Raises jwt.InvalidTokenError, or KeysUnavailable."""
        key = self._key(jwt.get_unverified_header(token).get("kid"))
        return jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            audience=self._audience,
            issuer=self._issuer,
            leeway=5,
            options={"require": ["iss", "aud", "sub", "iat", "exp"]},
        )

    def _key(self, kid: str | None) -> jwt.PyJWK:
        # Who has its key at hand does not wait for a fetch.
        if self._lock.acquire(blocking=kid not in self._keys):
            try:
                age = time.monotonic() - self._fetched_at
                if age > 300 or (kid not in self._keys and age > (1 if self._problem else 10)):
                    self._fetch()
            finally:
                self._lock.release()
        if kid in self._keys:
            return self._keys[kid]
        if self._problem:
            raise KeysUnavailable(self._problem)
        raise jwt.InvalidTokenError("Unknown key")

    def _fetch(self) -> None:
        """Keeps the keys it has when the fetch fails."""
        self._fetched_at = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, timeout=3) as response:
                self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.load(response)).keys}
            self._problem = ""
        except Exception as error:
            # An answer may be cut, no JSON, or JSON of another shape: none of it is the fault of a request.
            self._problem = f"{self._url}: {error}"
            logging.getLogger(__name__).warning("the gateway's keys cannot be fetched: %s", self._problem)
