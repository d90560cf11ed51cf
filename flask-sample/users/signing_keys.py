"""The keys that sign access tokens: PEM files of a folder, which all processes of the service share.

A file's name is the second from which on it signs. All are published at once, so whoever verifies knows a key before
it signs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

TOKENS_LIVE_S = 600
LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class SigningKey:
    kid: str
    signs_from: int
    private: EllipticCurvePrivateKey
    jwk: dict[str, Any]


class SigningKeys:
    """Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known: dict[str, SigningKey] = {}
        if not self.all():
            _create(folder, 0)
            self._read_at = float("-inf")

    def all(self) -> list[SigningKey]:
        """The oldest first."""
        with self._lock:
            if time.monotonic() - self._read_at > LOOK_EVERY_S:
                names = [file.name for file in self._folder.glob("*.pem")]
                self._known = {name: self._known.get(name) or _read(self._folder / name) for name in names}
                self._read_at = time.monotonic()
            return sorted(self._known.values(), key=lambda key: key.signs_from)

    def current(self) -> SigningKey:
        now = time.time()
        keys = self.all()
        return [key for key in keys if key.signs_from <= now][-1]

    def find(self, kid: str | None) -> SigningKey | None:
        return next((key for key in self.all() if key.kid == kid), None)

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.jwk for key in self.all()]}

    def rotate(self, in_seconds: int) -> str:
        """Makes a key that signs from then on, and removes those whose last token has expired. Returns its kid."""
        now = int(time.time())
        keys = self.all()
        for key, successor in zip(keys, keys[1:]):
            if successor.signs_from + TOKENS_LIVE_S + 60 < now:
                (self._folder / f"{key.signs_from}.pem").unlink(missing_ok=True)
        name = _create(self._folder, now + in_seconds)
        return _read(self._folder / name).kid


def _create(folder: Path, signs_from: int) -> str:
    """When another process has made one of this name meanwhile, that one counts."""
    private = generate_private_key(SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".new") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, folder / f"{signs_from}.pem")
    return f"{signs_from}.pem"


def _read(file: Path) -> SigningKey:
    private = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(private, EllipticCurvePrivateKey)
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = _thumbprint(jwk)
    return SigningKey(kid, int(file.stem), private, {**jwk, "kid": kid, "use": "sig", "alg": "ES256"})


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638."""
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")
