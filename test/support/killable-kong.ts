import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AdminClient } from '../../kong/admin/client.ts'
import { KIND_NAMES, KINDS } from '../../kong/reconcile/kinds.ts'
import { readRows } from '../../kong/reconcile/read.ts'
import { startAdminServer } from './admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from './faulty-admin.ts'
import { until } from './until.ts'

/** A Kong that a test kills: the local gateway's Admin API, or a real Kong with PostgreSQL. */
export interface KillableKong {
  /** The Admin API, past `faults`. */
  readonly url: string
  /** Between the managers and Kong. */
  readonly faults: FaultyAdmin
  /** A real Kong; else the local gateway, which keeps its state when it is "killed": its port is closed. */
  readonly isReal: boolean
  kill(): Promise<void>
  /** Resolves when it answers again. */
  restart(): Promise<void>
  /** Kills PostgreSQL under a real Kong, and starts it again. */
  restartDatabase(): Promise<void>
  close(): Promise<void>
}

/**
 * The local gateway, or the real Kong at `SLUICE_TEST_KONG_ADMIN_URL`, which must be empty and is emptied at the end.
 * `SLUICE_TEST_KONG_CONTROL` is the program that kills it: called with `kill`, `start`, `kill-database` or
 * `start-database`.
 */
export async function useKillableKong(): Promise<KillableKong> {
  const { SLUICE_TEST_KONG_ADMIN_URL: url, SLUICE_TEST_KONG_CONTROL: control } = process.env
  return url && control ? realKong(url, control) : localKong()
}

async function localKong(): Promise<KillableKong> {
  const kong = await startAdminServer()
  const faults = await startFaultyAdmin(kong.url)
  return {
    ...{ url: kong.url, faults, isReal: false },
    kill: () => faults.stop(),
    restart: () => faults.restart(),
    restartDatabase: async () => assert.fail('the local gateway has no database'),
    async close() {
      await faults.close()
      await kong.close()
      assert.deepEqual(kong.errors, [])
    },
  }
}

async function realKong(url: string, control: string): Promise<KillableKong> {
  const run = async (what: string) => void (await promisify(execFile)(control, [what]))
  const client = new AdminClient({ url })
  const count = async () => [...(await readRows(client)).values()].flat().length
  assert.equal(await count(), 0, `the Kong at ${url} is not empty`)
  const faults = await startFaultyAdmin(url)
  const answers = () =>
    until('Kong answers', async () => {
      const status = await client.find('/status').catch(() => undefined)
      return (status?.database as { reachable?: boolean } | undefined)?.reachable === true
    })
  return {
    ...{ url, faults, isReal: true },
    kill: () => run('kill'),
    async restart() {
      await run('start')
      await answers()
    },
    async restartDatabase() {
      await run('kill-database')
      await run('start-database')
      await answers()
    },
    async close() {
      await faults.close()
      await emptyKong(client)
      await client.close()
    },
  }
}

/** Deletes every entity, those that refer to others first. */
async function emptyKong(client: AdminClient): Promise<void> {
  const rows = await readRows(client)
  // Targets go along with their upstreams.
  for (const kind of KIND_NAMES.toReversed())
    for (const { id } of rows.get(kind) ?? [])
      if (kind !== 'targets') await client.request('DELETE', `/${KINDS[kind].path}/${String(id)}`)
}
