-- Logins that failed or have not ended yet, so that guessing is slow whatever process it goes to.
create table sluice_manager.login_attempts (
  -- `account` and its name in lower case, or `address`.
  subject_kind text        not null check (subject_kind in ('account', 'address')),
  subject      text        not null,
  failures     int         not null,
  next_at      timestamptz not null,
  changed_at   timestamptz not null default now(),
  primary key (subject_kind, subject)
);

create index login_attempts_changed on sluice_manager.login_attempts (changed_at);
create index sessions_operator on sluice_manager.sessions (operator_id);
create index sessions_expiry on sluice_manager.sessions (expires_at);
