-- The one right to write, by this server's clock. Whoever holds it commits its steps under its epoch.
create table sluice_manager.lease (
  singleton boolean     primary key default true check (singleton),
  holder     text,
  epoch      bigint      not null default 0,
  expires_at timestamptz not null default '-infinity'
);

insert into sluice_manager.lease default values;

create sequence sluice_manager.change_sequence;

-- Partitioned by month; partitions are made ahead by the manager, and dropped after 400 days.
create table sluice_manager.changes (
  id           uuid        not null,
  created_at   timestamptz not null,
  sequence     bigint      not null default nextval('sluice_manager.change_sequence'),
  state        text        not null default 'validated'
    check (state in ('validated', 'refused', 'applying', 'applied', 'undoing', 'settling', 'undone', 'stuck')),
  operator_id  uuid,
  actor        text        not null,
  reason       text,
  origin       text        not null,
  undo_of      uuid,
  -- What was asked for; sealed, erased 30 days after the end.
  request      bytea,
  -- The entity that a change of one operation gives.
  kind         text,
  entity_id    uuid,
  begun_at     timestamptz,
  ended_at     timestamptz,
  attempts     int         not null default 0,
  next_at      timestamptz,
  attempt_at   timestamptz,
  -- A problem document: why it was refused or undone.
  failure      jsonb,
  resolution   jsonb,
  is_published boolean     not null default false,
  primary key (created_at, id)
) partition by range (created_at);

create index changes_id on sluice_manager.changes (id);
create index changes_undo_of on sluice_manager.changes (undo_of) where undo_of is not null;
create index changes_sequence on sluice_manager.changes (sequence);
create index changes_open on sluice_manager.changes (sequence)
  where state in ('validated', 'applying', 'undoing', 'settling');
create index changes_unpublished on sluice_manager.changes (ended_at) where ended_at is not null and not is_published;

create table sluice_manager.steps (
  created_at   timestamptz not null,
  change_id    uuid        not null,
  seq          int         not null,
  stage        int         not null,
  after        int[]       not null,
  action       text        not null,
  kind         text        not null,
  entity_id    uuid        not null,
  label        text        not null,
  fields       text[]      not null,
  irreversible text,
  -- Before and after, secrets masked; erased 30 days after the end, like the sealed images.
  shown        jsonb,
  images       bytea,
  state        text        check (state in ('begun', 'done', 'unknown', 'failed', 'undoing', 'undone', 'stuck')),
  is_uncertain boolean     not null default false,
  reason       text,
  changed_at   timestamptz,
  primary key (created_at, change_id, seq)
) partition by range (created_at);

create index steps_change on sluice_manager.steps (change_id);
create index steps_entity on sluice_manager.steps (kind, entity_id, created_at desc);

comment on column sluice_manager.steps.created_at is 'of the change, so that both lie in the same partition';

-- Entities that could not be put back: nobody changes them before that is resolved.
create table sluice_manager.stuck (
  kind      text not null,
  entity_id uuid not null,
  change_id uuid not null,
  label     text not null,
  reason    text not null,
  primary key (kind, entity_id, change_id)
);

create table sluice_manager.idempotency_keys (
  operator_id uuid        not null,
  key         text        not null,
  digest      bytea       not null,
  change_id   uuid        not null,
  created_at  timestamptz not null default now(),
  primary key (operator_id, key)
);
