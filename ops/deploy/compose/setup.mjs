#!/usr/bin/env node
// Makes every secret of docker-compose.yml once, and gives each service a folder with those that it needs and no
// others. Runs at each start: the secrets stay as they are, the rest is written anew.
//
// usage: node setup.mjs FOLDER
//
// Each sub-folder of FOLDER is a volume that only `setup` and one reader mount, so its files may be readable by
// whatever user the reader's image has.
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const HASHING = 'rabbit_password_hashing_sha256'

const root = path.resolve(process.argv[2] ?? '')
const here = import.meta.dirname

const write = (name, text, mode = 0o444) => {
  const file = path.join(root, name)
  mkdirSync(path.dirname(file), { recursive: true })
  // Without capabilities root itself may not write into a file that it made read-only.
  writeFileSync(`${file}.new`, text, { mode, flush: true })
  renameSync(`${file}.new`, file)
}

/** Kept where only this service looks: what the readers get is made from it. */
function secret(name) {
  const file = path.join(root, 'secrets', name)
  if (!existsSync(file)) write(`secrets/${name}`, randomBytes(24).toString('base64url'), 0o400)
  return readFileSync(file, 'utf8')
}

const redis = secret('redis')
const rabbit = secret('rabbitmq')
const postgres = secret('postgres')
const kong = secret('kong')
const sluice = secret('sluice-postgres')
const samples = { postgres: secret('sample-postgres'), rabbit: secret('sample-rabbitmq') }

/** 32 bytes in base64, which seal the manager's secrets at rest. */
function managerKey() {
  const file = path.join(root, 'secrets', 'manager-key')
  if (!existsSync(file)) write('secrets/manager-key', randomBytes(32).toString('base64'), 0o400)
  return readFileSync(file, 'utf8')
}

write('redis/redis.conf', `requirepass ${redis}\ndir /data\nappendonly yes\nsave ""\n`)

write('postgres/superuser-password', postgres)
write('postgres/kong-password', kong)
write('postgres/sluice-password', sluice)
write('postgres/sample-password', samples.postgres)
write('postgres/databases.sh', readFileSync(path.join(here, 'databases.sh')), 0o555)

write(
  'rabbitmq/conf.d/10-sluice.conf',
  'log.console = true\nload_definitions = /run/setup/definitions.json\n',
)
write(
  'rabbitmq/definitions.json',
  JSON.stringify(definitions({ sluice: rabbit, sample: samples.rabbit }), undefined, 2),
)

write('kong/password', kong)

write('sluice/redis-url', `redis://:${redis}@redis:6379`)
write('sluice/postgres-url', `postgres://sluice:${sluice}@postgres:5432/sluice`)
write('sluice/amqp-url', `amqp://sluice:${rabbit}@rabbitmq:5672`)
write('sluice/fingerprint', secret('fingerprint'))
write('sluice/loopback', secret('loopback'))

write('samples/database-url', `postgres://sample:${samples.postgres}@postgres:5432/sample`)
write('samples/amqp-url', `amqp://sample:${samples.rabbit}@rabbitmq:5672`)

// The plugin server needs no key of the manager. The manager finds what a key did by its fingerprint.
for (const name of ['redis-url', 'postgres-url', 'amqp-url', 'fingerprint'])
  write(`manager/${name}`, readFileSync(path.join(root, 'sluice', name), 'utf8'))
write('manager/admin-url', 'http://kong:8001')
write('manager/manager-key', `compose:${managerKey()}`)

for (const name of ['prometheus', 'grafana'])
  cpSync(path.join(here, '..', name), path.join(root, name), { recursive: true })

/**
 * Read at each start of RabbitMQ. Each user may use the names that begin with its own, and administrates nothing; the
 * queues, which nobody may empty, drop their oldest messages above 64 MiB.
 */
function definitions(passwords) {
  const users = Object.entries(passwords)
  const ownNames = name => `^${name}\\.`
  return {
    vhosts: [{ name: '/' }],
    users: users.map(([name, password]) => ({
      name,
      password_hash: rabbitHash(password),
      hashing_algorithm: HASHING,
      tags: [],
    })),
    permissions: users.map(([user]) => ({
      user,
      vhost: '/',
      configure: ownNames(user),
      write: ownNames(user),
      read: ownNames(user),
    })),
    policies: users.map(([name]) => ({
      vhost: '/',
      name: `${name}-bounded`,
      pattern: ownNames(name),
      'apply-to': 'queues',
      priority: 0,
      definition: { 'max-length-bytes': 64 * 1024 * 1024, overflow: 'drop-head' },
    })),
  }
}

/** Salt and SHA-256 of salt and password: https://www.rabbitmq.com/docs/passwords#computing-password-hash */
function rabbitHash(password) {
  const salt = randomBytes(4)
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64')
}
