"""python -m products: runs the products service."""

from __future__ import annotations

from chassis.serve import serve
from chassis.settings import read_settings

from .app import create_service

DEFAULT_PORT = 9570

if __name__ == "__main__":
    serve(create_service(read_settings(DEFAULT_PORT)))
