"""python -m users [serve | make-admin EMAIL | rotate-key [SECONDS]]

    serve        runs the service (the default)
    make-admin   makes an admin of the account with this email
    rotate-key   makes a key that signs access tokens in SECONDS (600) from now on
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .signing_keys import SigningKeys

DEFAULT_PORT = 9560


def main(arguments: list[str]) -> None:
    command, *rest = arguments or ["serve"]
    if command == "serve" and not rest:
        serve()
    elif command == "make-admin" and len(rest) == 1:
        make_admin(rest[0])
    elif command == "rotate-key" and (not rest or (len(rest) == 1 and rest[0].isdigit())):
        print(keys().rotate(int(rest[0]) if rest else 600))
    else:
        sys.exit(__doc__)


def keys() -> SigningKeys:
    folder = os.environ.get("USERS_KEYS_DIR")
    if not folder:
        sys.exit("USERS_KEYS_DIR: is not set; it names the folder of the keys that sign access tokens")
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        return SigningKeys(Path(folder))
    except OSError as error:
        sys.exit(f"USERS_KEYS_DIR: {error}")


def serve() -> None:
    from chassis.serve import serve
    from chassis.settings import read_settings

    from .app import create_service

    serve(create_service(read_settings(DEFAULT_PORT), keys()))


def make_admin(email: str) -> None:
    from sqlalchemy import select

    from chassis.settings import read_settings

    from .accounts import emit
    from .app import create_service
    from .models import User, db

    with create_service(read_settings(DEFAULT_PORT), keys()).app.app_context():
        user = db.session.scalar(select(User).where(User.email == email.lower()))
        if user is None:
            sys.exit(f"no account has the email {email}")
        user.role = "admin"
        db.session.flush()
        emit("updated", user)
        db.session.commit()


if __name__ == "__main__":
    main(sys.argv[1:])
