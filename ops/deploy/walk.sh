#!/usr/bin/env bash
# Walks the guide through a running platform (`docker compose up --wait`, or `make up`), and fails at the first answer
# that is not what the guide says.
set -euo pipefail

proxy=http://127.0.0.1:${SLUICE_UP_PROXY_PORT:-8000}
control=http://127.0.0.1:${SLUICE_UP_CONTROL_PORT:-9551}/_control

status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

expect() { # expect WHAT WANTED GOT
  if [[ $3 != "$2" ]]; then
    echo "walk: $1: wanted $2, got $3" >&2
    exit 1
  fi
  echo "walk: $1: $3"
}

# The bootstrap may still be at work, and Kong takes a change over within seconds.
for _ in $(seq 60); do
  [[ $(status -H 'apikey: jason' "$proxy/dictionary/good") == 200 ]] && break
  sleep 1
done

expect 'without a key' 401 "$(status "$proxy/dictionary/good")"
expect 'with the key of jason' 200 "$(status -H 'apikey: jason' "$proxy/dictionary/good")"
expect 'by host' 200 "$(status -H 'Host: no-auth.com' "$proxy/")"

codes=$(for _ in $(seq 6); do status -H 'apikey: eddie' "$proxy/dictionary/good"; echo -n ' '; done)
expect 'six requests of eddie, who has five a minute' '200 200 200 200 200 429 ' "$codes"
curl -s -D- -o /dev/null -H 'apikey: eddie' "$proxy/dictionary/good" | grep -qi '^retry-after:' ||
  { echo 'walk: the 429 has no Retry-After' >&2; exit 1; }

curl -sf -o /dev/null -d '{"mode":"fail"}' "$control"
trap 'curl -s -o /dev/null -d "{\"mode\":\"ok\"}" "$control"' EXIT
opened=
for _ in $(seq 40); do
  [[ $(status -H 'apikey: jason' "$proxy/dictionary/good") == 503 ]] && opened=yes && break
  sleep 0.25
done
expect 'the breaker opens' yes "$opened"

curl -sf -o /dev/null -d '{"mode":"ok"}' "$control"
healed=
for _ in $(seq 60); do
  [[ $(status -H 'apikey: jason' "$proxy/dictionary/good") == 200 ]] && healed=yes && break
  sleep 0.5
done
expect 'the breaker heals' yes "$healed"
