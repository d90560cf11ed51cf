"""PostgreSQL by SQLAlchemy; each service has a schema of its own, so that several may share a database."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from alembic import context
from flask import Flask, current_app
from flask_migrate import Migrate, upgrade
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def create_database(schema: str) -> SQLAlchemy:
    class Base(DeclarativeBase):
        metadata = MetaData(schema=schema, naming_convention=_NAMES)

    return SQLAlchemy(model_class=Base)


def install(app: Flask, db: SQLAlchemy, url: str, migrations: Path, threads: int) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://" + url.split("://", 1)[1]
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": threads,
        "max_overflow": 0,
        # A connection that the server has closed is noticed before it is used.
        "pool_pre_ping": True,
        "pool_timeout": 5,
        "connect_args": {
            "connect_timeout": 3,
            "application_name": app.name,
            "options": "-c statement_timeout=10000 -c idle_in_transaction_session_timeout=30000",
        },
    }
    db.init_app(app)
    Migrate(app, db, directory=str(migrations))


def migrate(app: Flask) -> None:
    """Brings the schema to the newest version. Any number of processes may call it at once: one migrates."""
    with app.app_context():
        upgrade()


def run_migrations() -> None:
    """The whole of a service's migrations/env.py."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    db: SQLAlchemy = current_app.extensions["migrate"].db
    metadata = db.metadata
    assert metadata.schema is not None
    with db.engine.connect() as connection:
        # Waits for another migrator: then there is nothing left to do. Freed with the transaction, however it ends.
        with connection.begin():
            connection.execute(text("set local statement_timeout = '5min'"))
            connection.execute(
                text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {metadata.schema}"}
            )
            connection.execute(text(f'create schema if not exists "{metadata.schema}"'))
            _configure(connection, metadata)
            context.run_migrations()


def _configure(connection: Connection, metadata: MetaData) -> None:
    def is_ours(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name == metadata.schema

    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=metadata.schema,
        include_schemas=True,
        include_name=is_ours,
        compare_type=True,
        compare_server_default=False,
    )
