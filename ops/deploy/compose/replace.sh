#!/usr/bin/env bash
# Replaces the plugin server of docker-compose.yml by a newly built image without a failed request: a second container
# takes over the socket on the shared volume while the first is recreated, which then takes it back.
# (`docker compose up -d sluice` stops the first before it starts the next: one to some seconds of 500s.)
set -euo pipefail

next=${COMPOSE_PROJECT_NAME:-sluice}-sluice-next

docker compose build sluice
# It is there already where an earlier run was interrupted.
if ! docker inspect "$next" >/dev/null 2>&1; then
  old=$(docker compose ps --quiet sluice)
  [[ -n $old ]] || { echo 'the plugin server is not up: docker compose up --wait' >&2; exit 1; }
  # Otherwise Docker would start the old image again as soon as it has handed over.
  docker update --restart=no "$old" >/dev/null
  docker compose run --detach --rm --no-deps --name "$next" sluice >/dev/null
  docker wait "$old" >/dev/null
fi
docker compose up --detach --no-deps --force-recreate --wait sluice
docker wait "$next" >/dev/null 2>&1 || true
echo 'the new plugin server serves'
