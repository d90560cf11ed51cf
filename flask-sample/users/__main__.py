"""python -m users [serve | make-admin EMAIL | rotate-key [SECONDS]]

    serve        runs the service (the default)
    make-admin   makes an admin of the account with this email
    rotate-key   makes a key that signs access tokens in SECONDS (600) from now on
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sqlalchemy import select

from chassis.serve import serve
from chassis.service import Service
from chassis.settings import read_settings

from .access_tokens import LIFETIME_S
from .app import create_service
from .models import Outbox, User, db
from .signing_keys import SigningKeys

DEFAULT_PORT = 9560


def main(arguments: list[str]) -> None:
    command, *rest = arguments or ["serve"]
    if command == "rotate-key":
        print(_keys().rotate(int(rest[0]) if rest else 600, LIFETIME_S))
        return
    if command not in ("serve", "make-admin") or (command == "make-admin") != (len(rest) == 1):
        sys.exit(__doc__)
    service = create_service(read_settings(DEFAULT_PORT), _keys())
    if command == "serve":
        serve(service)
    else:
        _make_admin(service, rest[0])


def _keys() -> SigningKeys:
    folder = os.environ.get("USERS_KEYS_DIR")
    if not folder:
        sys.exit("USERS_KEYS_DIR: is not set; it names the folder of the keys that sign access tokens")
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        return SigningKeys(Path(folder))
    except OSError as error:
        sys.exit(f"USERS_KEYS_DIR: {error}")


def _make_admin(service: Service, email: str) -> None:
    with service.app.app_context():
        user = db.session.scalar(select(User).where(User.email == email.lower()))
        if user is None:
            sys.exit(f"no account has the email {email}")
        user.role = "admin"
        db.session.add(Outbox.event("user.updated.v1", f"users/{user.id}", {"id": str(user.id), "role": "admin"}))
        db.session.commit()


if __name__ == "__main__":
    main(sys.argv[1:])
