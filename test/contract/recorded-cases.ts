import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { type PuppetServer, startPuppetServer } from '../support/puppet-server.ts'

const SOURCES = path.resolve(import.meta.dirname, '../../../test/contract')

/** What a case is tried on. */
export interface Tried<U> {
  readonly gateway: RunningGateway
  readonly puppet: PuppetServer
  readonly upstream: U
}

export interface RecordedCases<C, U> {
  /** What a real Kong answered, case by case; a path below test/contract. */
  readonly answers: string
  readonly cases: readonly C[]
  readonly startUpstream: () => Promise<U>
  readonly settings: (socket: string) => Record<string, string>
  /** The declared state, DB-less. */
  readonly configure: (upstream: U) => object | Promise<object>
  readonly run: (one: C, tried: Tried<U>) => Promise<{ readonly name: string }>
}

/** Cases that plugins of a puppet server meet in the local gateway, beside what they met in a real Kong. */
export function describeRecorded<C extends { readonly name: string }, U extends { close(): Promise<void> }>(
  title: string,
  { answers, cases, startUpstream, settings, configure, run }: RecordedCases<C, U>,
): void {
  const recorded = JSON.parse(readFileSync(path.join(SOURCES, answers), 'utf8')) as readonly {
    readonly name: string
  }[]

  describe(title, () => {
    let folder: TestFolder
    let puppet: PuppetServer
    let upstream: U
    let gateway: RunningGateway

    before(async () => {
      folder = makeFolder()
      const socket = path.join(folder.path, 'puppet.sock')
      puppet = await startPuppetServer(socket)
      upstream = await startUpstream()
      gateway = await startTestGateway(settings(socket))
      await gateway.admin('POST', '/config', await configure(upstream))
    })

    after(async () => {
      await gateway.close()
      await upstream.close()
      await puppet.close()
      folder.remove()
    })

    it('in every recorded case', () => {
      assert.deepEqual(
        recorded.map(({ name }) => name),
        cases.map(({ name }) => name),
      )
    })

    for (const [index, one] of cases.entries())
      it(one.name, async () => {
        assert.deepEqual(await run(one, { gateway, puppet, upstream }), recorded[index])
      })
  })
}
