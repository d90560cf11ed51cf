#!/bin/sh
# Run once by the image of PostgreSQL, before the server listens on the network: a database for Kong and one for
# Sluice's events, each with an owner that can do nothing outside it.
set -eu
folder=$(dirname "$POSTGRES_PASSWORD_FILE")
# psql reads the passwords from variables, so that they stand in no command line.
KONG_PASSWORD=$(cat "$folder/kong-password") SLUICE_PASSWORD=$(cat "$folder/sluice-password") \
	psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv kong_password KONG_PASSWORD
\getenv sluice_password SLUICE_PASSWORD
CREATE ROLE kong LOGIN PASSWORD :'kong_password';
CREATE DATABASE kong OWNER kong;
REVOKE ALL ON DATABASE kong FROM PUBLIC;
CREATE ROLE sluice LOGIN PASSWORD :'sluice_password';
CREATE DATABASE sluice OWNER sluice;
REVOKE ALL ON DATABASE sluice FROM PUBLIC;
SQL
