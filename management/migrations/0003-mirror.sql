create extension if not exists pg_trgm;

create function sluice_manager.tags_of(shown jsonb) returns text[] language sql immutable parallel safe as
$$ select case when jsonb_typeof(shown -> 'tags') = 'array'
     then array(select jsonb_array_elements_text(shown -> 'tags')) else '{}'::text[] end $$;

-- What a person searches for; never a secret, since those are masked.
create function sluice_manager.text_of(shown jsonb) returns text language sql immutable parallel safe as
$$ select lower(concat_ws(' ', shown ->> 'name', shown ->> 'username', shown ->> 'custom_id', shown ->> 'instance_name',
     shown ->> 'host', shown ->> 'target', shown ->> 'group', shown ->> 'prefix', shown ->> 'paths', shown ->> 'hosts',
     shown ->> 'tags')) $$;

-- Every entity of Kong, as it was last seen.
create table sluice_manager.entities (
  kind        text        not null,
  id          uuid        not null,
  -- As Kong reports it, secrets masked.
  shown       jsonb       not null,
  -- As Kong reports it; sealed, null where nothing is masked.
  sealed      bytea,
  etag        text        not null,
  -- Keyed digest of all compared fields, secrets included; the key's id in front.
  digest      text        not null,
  expires_at  timestamptz,
  changed_at  timestamptz not null,
  name        text generated always as (coalesce(shown ->> 'name', shown ->> 'username', shown ->> 'custom_id',
                shown ->> 'target', shown ->> 'group', shown ->> 'prefix', '')) stored,
  service     uuid generated always as ((shown #>> '{service,id}')::uuid) stored,
  route       uuid generated always as ((shown #>> '{route,id}')::uuid) stored,
  consumer    uuid generated always as ((shown #>> '{consumer,id}')::uuid) stored,
  upstream    uuid generated always as ((shown #>> '{upstream,id}')::uuid) stored,
  certificate uuid generated always as (coalesce(shown #>> '{certificate,id}', shown #>> '{client_certificate,id}')::uuid) stored,
  key_set     uuid generated always as ((shown #>> '{set,id}')::uuid) stored,
  enabled     boolean generated always as ((shown ->> 'enabled')::boolean) stored,
  created_at  double precision generated always as (coalesce((shown ->> 'created_at')::double precision, 0)) stored,
  tags        text[] generated always as (sluice_manager.tags_of(shown)) stored,
  text        text generated always as (sluice_manager.text_of(shown)) stored,
  primary key (kind, id)
);

create index entities_name on sluice_manager.entities (kind, name, id);
create index entities_created on sluice_manager.entities (kind, created_at, id);
create index entities_service on sluice_manager.entities (service) where service is not null;
create index entities_route on sluice_manager.entities (route) where route is not null;
create index entities_consumer on sluice_manager.entities (consumer) where consumer is not null;
create index entities_upstream on sluice_manager.entities (upstream) where upstream is not null;
create index entities_certificate on sluice_manager.entities (certificate) where certificate is not null;
create index entities_key_set on sluice_manager.entities (key_set) where key_set is not null;
create index entities_tags on sluice_manager.entities using gin (tags);
create index entities_text on sluice_manager.entities using gin (text gin_trgm_ops);

-- What was changed past the manager, where that is reported and not adopted.
create table sluice_manager.drift (
  kind        text        not null,
  id          uuid        not null,
  action      text        not null check (action in ('created', 'updated', 'deleted')),
  label       text        not null,
  fields      text[]      not null,
  before      jsonb,
  after       jsonb,
  detected_at timestamptz not null default now(),
  -- It was so by the last reading.
  seen_at     timestamptz not null default now(),
  accepted_at timestamptz,
  primary key (kind, id)
);

-- When Kong was read as a whole.
create table sluice_manager.mirror (
  singleton boolean     primary key default true check (singleton),
  read_at   timestamptz,
  -- Why this Kong can only be read; null where it can be changed.
  read_only text
);

insert into sluice_manager.mirror default values;
