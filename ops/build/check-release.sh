#!/bin/sh
# Fails where something names another version than the one that is to be released.
# usage: check-release.sh VERSION
set -eu
cd "$(dirname "$0")/../.."
version=$1 failed=

wants() { # wants WHERE WHAT-IT-SAYS
  [ "$2" = "$version" ] && return
  echo "$1 says ${2:-nothing}, not $version" >&2
  failed=yes
}

wants package.json "$(node -p "require('./package.json').version")"
wants package-lock.json "$(node -p "require('./package-lock.json').version")"
for tag in $(sed -n 's/^ *image: sluice[a-z-]*:\([^ ]*\)$/\1/p' docker-compose.yml | sort -u); do
  wants docker-compose.yml "$tag"
done
grep -qF "## $version" CHANGELOG.md || { echo "CHANGELOG.md has no heading '## $version'" >&2; failed=yes; }
[ -z "$failed" ]
