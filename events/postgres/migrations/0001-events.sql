-- Every event, once. Partitioned by day (UTC); partitions are made ahead by the sink.
create table gateway_events (
  time      timestamptz not null,
  id        uuid        not null,
  type      text        not null,
  subject   text        not null,
  node      text        not null,
  writer    text        not null,
  sequence  bigint      not null,
  chain     bytea       not null,
  data      jsonb       not null,
  primary key (time, id)
) partition by range (time);

comment on table gateway_events is 'events of Sluice; docs/events.md lists the types';
comment on column gateway_events.writer is 'the process that wrote the event; another one after each start';
comment on column gateway_events.sequence is 'position in the sequence of its writer, from 1, without gaps';
comment on column gateway_events.chain is 'SHA-256 over the chain of the event before it and the digest of this one';

create index gateway_events_time_brin on gateway_events using brin (time);
create index gateway_events_type on gateway_events (type, time);
create index gateway_events_writer on gateway_events (writer, sequence);
create index gateway_events_consumer on gateway_events ((data ->> 'consumer_id'), time)
  where (data ->> 'consumer_id') is not null;
create index gateway_events_credential on gateway_events ((data ->> 'credential_id'), time)
  where (data ->> 'credential_id') is not null;
create index gateway_events_fingerprint on gateway_events ((data ->> 'key_fingerprint'), time)
  where (data ->> 'key_fingerprint') is not null;
create index gateway_events_failed_address on gateway_events ((data ->> 'client_ip'), time)
  where type = 'key-auth.denied.v1';

-- An event that was written twice (Kong may deliver a log event again, to another process too) is stored once. This
-- names the second copy, so that the chain of its writer can still be followed.
create table gateway_event_repeats (
  writer    text        not null,
  sequence  bigint      not null,
  time      timestamptz not null,
  id        uuid        not null,
  digest    bytea       not null,
  primary key (writer, sequence)
);

-- Where chains stood when the partitions before were dropped.
create table gateway_event_checkpoints (
  writer    text        not null,
  sequence  bigint      not null,
  chain     bytea       not null,
  kept_at   timestamptz not null default now(),
  primary key (writer, sequence)
);

-- Events that PostgreSQL refused for their content, as bytes.
create table gateway_events_rejected (
  writer      text        not null,
  sequence    bigint      not null,
  id          text        not null,
  reason      text        not null,
  sqlstate    text        not null,
  payload     bytea       not null,
  rejected_at timestamptz not null default now(),
  primary key (writer, sequence, id)
);
