import { accessSync, constants, statfsSync } from 'node:fs'
import path from 'node:path'
import { connect as connectRabbit } from 'amqplib'
import pg from 'pg'
import { splitAmqpUrl } from '../../events/rabbitmq/tls.ts'
import { QUEUE } from '../../events/rabbitmq/topology.ts'
import { messageOf } from '../../foundation/errors.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** Where events wait. */
export const checkSpool: Check = async ({ settings }) => {
  const { spoolDir, spoolMaxBytes, fingerprintSecret } = settings
  const findings: Finding[] = []
  const folder = firstThere(spoolDir)
  try {
    accessSync(folder, constants.W_OK)
    const { bavail, bsize } = statfsSync(folder)
    const free = bavail * bsize
    findings.push(
      free >= spoolMaxBytes
        ? ok(
            'spool',
            `${spoolDir} is writable; ${mebibytes(free)} are free, ${mebibytes(spoolMaxBytes)} may be used`,
          )
        : warn(
            'spool',
            `${mebibytes(free)} are free at ${spoolDir}, less than the ${mebibytes(spoolMaxBytes)} it may grow to`,
            'Free some room, or lower SLUICE_SPOOL_MAX_BYTES.',
          ),
    )
  } catch (error) {
    findings.push(
      fail('spool', `${folder} is not writable: ${messageOf(error)}`, 'Give it to the user of the server.'),
    )
  }
  findings.push(
    fingerprintSecret === undefined
      ? warn(
          'fingerprints',
          'SLUICE_FINGERPRINT_SECRET is not set: key-auth-audit refuses to start',
          'Set it to 32 random bytes or more.',
        )
      : ok('fingerprints', 'the secret is set'),
  )
  return findings
}

export const checkPostgres: Check = async ({ settings }) => {
  if (settings.postgresUrl === undefined)
    return [
      warn('postgresql', 'SLUICE_POSTGRES_URL is not set: events stay in the spool', 'Set it to store them.'),
    ]
  const client = new pg.Client({
    connectionString: settings.postgresUrl,
    connectionTimeoutMillis: 3000,
    query_timeout: 3000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ version: string; events: string | null }>(
      "select current_setting('server_version') as version, to_regclass('gateway_events')::text as events",
    )
    const { version, events } = rows[0]!
    return [
      ok(
        'postgresql',
        `answers, version ${version}; ${events === null ? 'the server will make its tables' : 'the tables are there'}`,
      ),
    ]
  } catch (error) {
    return [
      fail('postgresql', `no connection: ${messageOf(error)}`, 'Check SLUICE_POSTGRES_URL and that it runs.'),
    ]
  } finally {
    await client.end().catch(() => {})
  }
}

export const checkRabbit: Check = async ({ settings }) => {
  if (settings.amqpUrl === undefined)
    return [
      warn('rabbitmq', 'SLUICE_AMQP_URL is not set: events stay in the spool', 'Set it to publish them.'),
    ]
  const { url, tls } = splitAmqpUrl(settings.amqpUrl)
  try {
    const connection = await connectRabbit(url, { ...tls, timeout: 3000 })
    connection.on('error', () => {})
    try {
      const channel = await connection.createChannel()
      channel.on('error', () => {})
      const waiting = await channel.checkQueue(QUEUE).then(
        queue => `${queue.messageCount} events wait in ${QUEUE}`,
        () => `the server will declare ${QUEUE}`,
      )
      return [ok('rabbitmq', `answers; ${waiting}`)]
    } finally {
      await connection.close().catch(() => {})
    }
  } catch (error) {
    return [fail('rabbitmq', `no connection: ${messageOf(error)}`, 'Check SLUICE_AMQP_URL and that it runs.')]
  }
}

/** The folder itself, or the nearest one above it that exists. */
function firstThere(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      accessSync(at)
      return at
    } catch {
      if (at === path.dirname(at)) return at
    }
  }
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`
