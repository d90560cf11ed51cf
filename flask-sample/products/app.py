"""The products service: things to buy."""

from __future__ import annotations

from pathlib import Path

from chassis.api import create_api
from chassis.service import Service
from chassis.settings import Settings

from . import catalogue
from .models import Outbox, db

FOLDER = Path(__file__).parent


def create_service(settings: Settings) -> Service:
    service = Service("products", settings, db, Outbox, FOLDER / "migrations")
    api = create_api(service.app, "Products", "Things to buy.", "/products")
    api.register_blueprint(catalogue.blueprint)
    return service
