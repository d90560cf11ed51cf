#!/bin/sh
# Runs a command while no other `make` of this clone runs one: two would write the same files.
# usage: alone.sh COMMAND [ARGUMENT...]
command -v flock >/dev/null || exec "$@"
mkdir -p .sluice
exec 9>.sluice/build.lock
flock -n 9 || { echo 'another make installs or compiles here: waiting for it' >&2; flock 9; }
"$@" 9>&-
