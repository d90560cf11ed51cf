#!/bin/sh
# Gives Kong, Sluice and the sample services a database each, with an owner that can do nothing outside it. Run at each start, since a
# script that PostgreSQL's image runs in an empty database is never run again after a crash half-way.
set -eu
cd "$(dirname "$0")"
# psql reads the passwords from variables, so that they stand in no command line.
PGPASSWORD=$(cat superuser-password) KONG_PASSWORD=$(cat kong-password) SLUICE_PASSWORD=$(cat sluice-password)
SAMPLE_PASSWORD=$(cat sample-password)
export PGPASSWORD KONG_PASSWORD SLUICE_PASSWORD SAMPLE_PASSWORD
psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --host postgres --username postgres --dbname postgres <<'SQL'
\getenv kong KONG_PASSWORD
\getenv sluice SLUICE_PASSWORD
\getenv sample SAMPLE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', name) FROM (VALUES ('kong'), ('sluice'), ('sample')) AS wanted (name)
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE kong NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'kong';
ALTER ROLE sluice NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'sluice';
ALTER ROLE sample NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'sample';
SELECT format('CREATE DATABASE %I OWNER %I', name, name) FROM (VALUES ('kong'), ('sluice'), ('sample')) AS wanted (name)
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
REVOKE ALL ON DATABASE kong, sluice, sample FROM PUBLIC;
SQL
