#!/bin/sh
# Fails with a clear message where Node.js is missing or older than package.json asks for.
command -v node >/dev/null 2>&1 || { echo "Sluice needs Node.js >= 20.19, and none was found on PATH." >&2; exit 1; }
node -e '
const [major, minor] = process.versions.node.split(".").map(Number)
if (major > 20 || (major === 20 && minor >= 19)) process.exit(0)
console.error(`Sluice needs Node.js >= 20.19; this is ${process.versions.node}.`)
process.exit(1)'
