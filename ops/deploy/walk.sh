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

# The sample services: users and products, behind the gateway alone.
json='content-type: application/json'
email="walk-$(date +%s)-$RANDOM@example.org"
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

for _ in $(seq 60); do
  [[ $(status "$proxy/users/me") == 401 ]] && break
  sleep 1
done
account="{\"email\":\"$email\",\"name\":\"Ada\",\"password\":\"correct horse\"}"
expect 'registering' 201 "$(status -H "$json" -d "$account" "$proxy/users")"
expect 'registering twice' 409 "$(status -H "$json" -d "$account" "$proxy/users")"
token=$(curl -sf -H "$json" -d "{\"email\":\"$email\",\"password\":\"correct horse\"}" "$proxy/users/login" | field access_token)
auth="authorization: Bearer $token"
expect 'who am I' "$email" "$(curl -s -H "$auth" "$proxy/users/me" | field email)"

products=http://127.0.0.1:${SLUICE_UP_PRODUCTS_PORT:-9570}
published() {
  curl -s "$products/metrics" | sed -n 's/^sample_events_published_total{type="product.created.v1"} \([0-9]*\).*/\1/p'
}
before=$(published)
expect 'products without a token' 401 "$(status "$proxy/products")"
expect 'creating a product' 201 "$(status -H "$auth" -H "$json" -d '{"name":"Tea","price_cents":350}' "$proxy/products")"
expect 'the newest product' Tea "$(curl -s -H "$auth" "$proxy/products?limit=1" | field name)"
event=
for _ in $(seq 60); do
  now=$(published)
  ((${now:-0} > ${before:-0})) && event=yes && break
  sleep 0.5
done
expect 'its event is confirmed by RabbitMQ' yes "$event"
cached=
for _ in $(seq 20); do
  curl -s -D- -o /dev/null -H "$auth" "$proxy/products" | grep -qi '^cache-status:.*hit' && cached=yes && break
done
expect 'the list of products comes from the cache' yes "$cached"
profile=$(curl -s -H "$auth" "$proxy/profile")
expect 'user and products in one answer' yes "$(grep -q "\"email\":\"$email\".*\"name\":\"Tea\"" <<<"$profile" && echo yes)"
expect 'around the gateway' 401 "$(status -H "$auth" "$products/products")"

documented=
for _ in $(seq 60); do
  curl -s "$proxy/docs/openapi.json" | grep -q '"/products/{product_id}"' && documented=yes && break
  sleep 1
done
expect 'the merged document knows the products' yes "$documented"
expect 'the list of APIs names them' yes "$(curl -s "$proxy/" | grep -q '"name": "products"' && echo yes)"
expect 'the page of the shop' 200 "$(status "$proxy/app/")"
