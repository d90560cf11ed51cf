import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { SluiceError } from '../../../foundation/errors.ts'
import { AdminClient, type Row } from '../../../kong/admin/client.ts'
import { readState } from '../../../kong/reconcile/read.ts'
import { startAdminServer } from '../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../support/faulty-admin.ts'
import { randomState, STATES } from '../../support/random-state.ts'
import { applyText, planText } from '../../support/reconcile.ts'

const THEIR_TAG = 'theirs'

interface World {
  /** Passes everything on, unless a test says otherwise. */
  readonly faults: FaultyAdmin
  readonly client: AdminClient
  /** Everything that Kong holds, by id. */
  rows(): Promise<ReadonlyMap<string, Row>>
}

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const admin = await startAdminServer()
  const faults = await startFaultyAdmin(admin.url)
  const client = new AdminClient({ url: faults.url })
  const direct = new AdminClient({ url: admin.url })
  try {
    await work({
      faults,
      client,
      async rows() {
        const { entities } = await readState(direct, { plugins: [], vaults: [] })
        return new Map(entities.map(({ kind, id, row }) => [`${kind} ${id}`, row]))
      },
    })
    assert.deepEqual(admin.errors, [])
  } finally {
    await client.close()
    await direct.close()
    await faults.close()
    await admin.close()
  }
}

const theirs = (yaml: string) => `${yaml}_info: { select_tags: [${THEIR_TAG}] }\n`
const isTheirs = (row: Row) => ((row.tags as string[] | null) ?? []).includes(THEIR_TAG)
const only = (rows: ReadonlyMap<string, Row>, wanted: (row: Row) => boolean) =>
  new Map([...rows].filter(([, row]) => wanted(row)))

/** What counts when a state is put back: Kong stamps the time of a change anew. */
const withoutTimes = (rows: ReadonlyMap<string, Row>) =>
  new Map([...rows].map(([key, { updated_at: _u, created_at: _c, ...row }]) => [key, sortTags(row)]))
const sortTags = (row: Row): Row => ({ ...row, tags: ((row.tags as string[] | null) ?? []).toSorted() })

const ours = randomState('o')
const others = randomState('t')

describe('over random states', function () {
  this.timeout(600_000)

  it("ends at the declared state, has nothing left to do, and leaves others' entities untouched", async () => {
    await fc.assert(
      fc.asyncProperty(others, ours, ours, async (foreign, first, second) =>
        inWorld(async ({ client, rows }) => {
          await applyText(client, theirs(foreign.yaml))
          const before = only(await rows(), isTheirs)
          await applyText(client, first.yaml)
          await applyText(client, second.yaml)
          assert.deepEqual(only(await rows(), isTheirs), before)
          assert.deepEqual((await planText(client, second.yaml)).changes, [])
        }),
      ),
      { numRuns: STATES },
    )
  })

  it('puts everything back when a step fails for good, whichever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        others,
        ours,
        ours,
        fc.integer({ min: 1, max: 25 }),
        fc.constantFrom('refused' as const, 'lost' as const),
        async (foreign, first, second, at, how) =>
          inWorld(async ({ client, faults, rows }) => {
            await applyText(client, theirs(foreign.yaml))
            await applyText(client, first.yaml)
            const before = await rows()
            let writes = 0
            let broken: string | undefined
            faults.decide = (method, path) => {
              if (method === 'GET') return 'pass'
              writes++
              // That one entity fails from then on, until the apply gives up; undoing works again.
              if (writes === at) broken = path
              if (path !== broken || writes > at + 40) return 'pass'
              return how === 'refused' && writes === at
                ? { status: 409, body: { message: 'UNIQUE violation', code: 5 } }
                : writes === at
                  ? 'lose-answer'
                  : 'pass'
            }
            try {
              await applyText(client, second.yaml, {}, { retryForMs: 0 })
              assert.ok(broken === undefined, 'a broken step went unnoticed')
            } catch (error) {
              assert.ok(error instanceof SluiceError && error.code === 'SLUICE_APPLY_FAILED', String(error))
              const leftovers = error.details.leftovers as readonly { entity: string }[]
              const after = await rows()
              if (leftovers.length === 0) assert.deepEqual(withoutTimes(after), withoutTimes(before))
              else for (const { entity } of leftovers) assert.match(entity, /^basic-auth credential/)
              assert.deepEqual(only(after, isTheirs), only(before, isTheirs))
            }
          }),
      ),
      { numRuns: STATES },
    )
  })
})
