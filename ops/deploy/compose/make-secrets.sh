#!/bin/sh
# Makes every secret of docker-compose.yml once, at the first start, into the folder given.
# The folder is on a volume that only the containers of this project mount; each image reads it as another user,
# so the files are readable by all of them.
set -eu
folder=$1
[ -e "$folder/complete" ] && exit 0
umask 022

random() { node -p "require('node:crypto').randomBytes(24).toString('base64url')"; }
write() { printf '%s' "$2" >"$folder/$1"; }

redis=$(random) postgres=$(random) rabbitmq=$(random)
write redis-password "$redis"
write redis-url "redis://:$redis@redis:6379"
printf 'requirepass %s\ndir /data\nappendonly yes\nsave ""\n' "$redis" >"$folder/redis.conf"
write postgres-password "$postgres"
write postgres-url "postgres://sluice:$postgres@postgres:5432/sluice"
write kong-password "$(random)"
write amqp-url "amqp://sluice:$rabbitmq@rabbitmq:5672"
mkdir -p "$folder/rabbitmq.d"
printf 'default_user = sluice\ndefault_pass = %s\nlog.console = true\n' "$rabbitmq" >"$folder/rabbitmq.d/10-sluice.conf"
write fingerprint "$(random)"
: >"$folder/complete"
