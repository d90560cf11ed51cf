-- Who may use the manager, and by what they prove it.
create table sluice_manager.operators (
  id                  uuid        primary key,
  name                text        not null,
  role                text        not null check (role in ('viewer', 'editor', 'admin')),
  password            text,
  created_at          timestamptz not null default now(),
  password_changed_at timestamptz,
  disabled_at         timestamptz
);

create unique index operators_name on sluice_manager.operators (lower(name));

comment on column sluice_manager.operators.password is 'scrypt$N$r$p$salt$hash, base64url; null: tokens only';

create table sluice_manager.tokens (
  id           uuid        primary key,
  operator_id  uuid        not null references sluice_manager.operators (id) on delete cascade,
  name         text        not null,
  digest       bytea       not null unique,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  unique (operator_id, name)
);

comment on column sluice_manager.tokens.digest is 'SHA-256 of the token, which is shown once and kept nowhere';

create table sluice_manager.sessions (
  id           uuid        primary key,
  digest       bytea       not null unique,
  operator_id  uuid        not null references sluice_manager.operators (id) on delete cascade,
  csrf         text        not null,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null,
  address      text        not null,
  agent        text        not null
);
