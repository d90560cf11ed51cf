"""Access tokens: JWTs that show who logged in, for ten minutes."""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt

from .models import User
from .signing_keys import TOKENS_LIVE_S, SigningKeys

ISSUER = "sample-users"


def issue(keys: SigningKeys, user: User) -> str:
    key = keys.current()
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": str(user.id),
        "name": user.name,
        "role": user.role,
        "iat": now,
        "exp": now + TOKENS_LIVE_S,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key.private, "ES256", headers={"kid": key.kid})


def verify(keys: SigningKeys, token: str) -> dict[str, Any]:
    """The claims. Raises jwt.InvalidTokenError."""
    key = keys.find(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        raise jwt.InvalidTokenError("Unknown key")
    return jwt.decode(
        token,
        key.private.public_key(),
        algorithms=["ES256"],
        issuer=ISSUER,
        options={"require": ["iss", "sub", "iat", "exp"]},
    )
