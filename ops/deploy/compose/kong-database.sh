#!/bin/sh
# Run once by the image of PostgreSQL, before the server listens on the network: Kong's own user and database.
set -eu
# psql reads the password from a variable, so that it stands in no command line.
KONG_PASSWORD=$(cat "$KONG_PASSWORD_FILE") psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password KONG_PASSWORD
CREATE USER kong PASSWORD :'password';
CREATE DATABASE kong OWNER kong;
SQL
