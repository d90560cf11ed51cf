"""Sends the rows of an outbox to RabbitMQ."""

from __future__ import annotations

import json
import logging
import random
import threading
from contextlib import closing, suppress
from typing import Any

import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from prometheus_client import Counter

EXCHANGE = "sample.events"
"""Durable topic exchange; the routing key is the type of the event."""
QUEUE = "sample.events.all"
"""Quorum queue that gets every event."""

BATCH = 100
LOOK_EVERY_S = 1.0
LONGEST_PAUSE_S = 2.0

_log = logging.getLogger("relay")
_published = Counter("sample_events_published_total", "Events that the broker has confirmed", ["type"])
_failures = Counter("sample_event_relay_failures_total", "Times that the way to the broker or the database broke")


class Relay(threading.Thread):
    """One of the service's processes sends at a time, so that the events of a subject keep their order."""

    def __init__(self, service: str, database_url: str, amqp_url: str) -> None:
        super().__init__(name="relay", daemon=True)
        self._service = service
        self._database_url = database_url
        self._parameters = pika.URLParameters(amqp_url)
        # A broker that is frozen is given up in time.
        self._parameters.heartbeat = 10
        self._parameters.blocked_connection_timeout = 20
        self._parameters.socket_timeout = self._parameters.stack_timeout = 5
        self._parameters.client_properties = {"connection_name": service}
        self._ending = threading.Event()
        self._broker: pika.BlockingConnection | None = None
        self.problem: str | None = "is connecting"

    def wake(self) -> None:
        """There is something to send. Any thread may call it."""
        broker = self._broker
        if broker is not None:
            # One that has just closed is opened again by `run`.
            with suppress(AMQPError):
                broker.add_callback_threadsafe(lambda: None)

    def close(self) -> None:
        self._ending.set()
        self.wake()
        self.join(timeout=5)

    def run(self) -> None:
        pause_s = 0.1
        while not self._ending.is_set():
            try:
                with self._connect() as database, closing(pika.BlockingConnection(self._parameters)) as broker:
                    channel = broker.channel()
                    _declare(channel)
                    self._broker, self.problem, pause_s = broker, None, 0.1
                    self._send(database, broker, channel)
            except Exception as error:
                # Also what pika itself gets wrong: a thread that has ended would send nothing more, and not say so.
                self._broker, self.problem = None, f"{type(error).__name__}"
                _failures.inc()
                _log.warning("events wait in the outbox: %s: %s", type(error).__name__, str(error).strip()[:200])
                self._ending.wait(pause_s * (0.5 + random.random() / 2))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _connect(self) -> psycopg.Connection[Any]:
        # A relay that is stopped for good in the middle of a batch must not hold the others up.
        options = "-c idle_in_transaction_session_timeout=60000"
        return psycopg.connect(
            self._database_url, connect_timeout=3, application_name=f"{self._service} relay", options=options
        )

    def _send(
        self, database: psycopg.Connection[Any], broker: pika.BlockingConnection, channel: BlockingChannel
    ) -> None:
        while not self._ending.is_set():
            if self._send_batch(database, channel) < BATCH:
                # Also answers the broker's heartbeats; `wake` ends it early.
                broker.process_data_events(time_limit=LOOK_EVERY_S)  # type: ignore[arg-type]

    def _send_batch(self, database: psycopg.Connection[Any], channel: BlockingChannel) -> int:
        table = psycopg.sql.Identifier(self._service, "outbox")
        with database.transaction():
            lock = "select pg_try_advisory_xact_lock(hashtext(%s))"
            row = database.execute(lock, (f"relay {self._service}",)).fetchone()
            if row is None or not row[0]:
                return 0
            select = "select id, message_id, type, subject, data, occurred_at from {} order by id limit %s"
            rows = database.execute(psycopg.sql.SQL(select).format(table), (BATCH,)).fetchall()
            for _, *event in rows:
                self._publish(channel, *event)
            ids = [id for id, *_ in rows]
            database.execute(psycopg.sql.SQL("delete from {} where id = any(%s)").format(table), (ids,))
        for _, _, type, *_ in rows:
            _published.labels(type).inc()
        return len(rows)

    def _publish(self, channel: BlockingChannel, message_id: Any, type: str, subject: str, data: Any, at: Any) -> None:
        """Returns once the broker has confirmed it. Raises AMQPError when it refuses it, or no queue gets it."""
        event = {
            "specversion": "1.0",
            "id": str(message_id),
            "source": f"/{self._service}",
            "type": type,
            "subject": subject,
            "time": at.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
        properties = pika.BasicProperties(
            message_id=str(message_id),
            type=type,
            timestamp=int(at.timestamp()),
            content_type="application/cloudevents+json",
            delivery_mode=pika.DeliveryMode.Persistent.value,
            app_id=self._service,
        )
        channel.basic_publish(EXCHANGE, type, json.dumps(event).encode(), properties, mandatory=True)


def _declare(channel: BlockingChannel) -> None:
    """What stands already stays as it is."""
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, EXCHANGE, "#")
    channel.confirm_delivery()
