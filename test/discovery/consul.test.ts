import assert from 'node:assert/strict'
import type { ServiceAnswer } from '../../discovery/consul/client.ts'
import { readInstances } from '../../discovery/consul/instances.ts'
import { nextIndex, watchService } from '../../discovery/consul/watch.ts'
import { readMark } from '../../discovery/mark.ts'
import { SluiceError } from '../../foundation/errors.ts'

const entry = (Address: string, Port: number, Passing?: number) => ({
  Node: { Address: '10.0.0.1' },
  Service: { Address, Port, ...(Passing !== undefined && { Weights: { Passing } }) },
})

describe('what Consul says', () => {
  it('gives the address of an instance, or of its node', () => {
    const found = readInstances([entry('10.0.0.2', 80), entry('', 81), entry('web.local', 82)])
    assert.deepEqual(
      found.map(({ address }) => address),
      ['10.0.0.2:80', '10.0.0.1:81', 'web.local:82'],
    )
  })

  it('is in the form in which Kong keeps targets', () => {
    assert.equal(
      readInstances([entry('::1', 80)])[0]?.address,
      '[0000:0000:0000:0000:0000:0000:0000:0001]:80',
    )
  })

  it('leaves out what cannot be a target, and a second one with the same address', () => {
    assert.deepEqual(readInstances([entry('a', 0), entry('no host', 1), entry('b', 1), entry('b', 1, 9)]), [
      { address: 'b:1', weight: 100 },
    ])
  })

  for (const [passing, weights] of [
    [
      [1, 2, 0],
      [100, 200, 0],
    ],
    [
      [1, 10_000],
      [7, 65_535],
    ],
    [
      [1, 100_000],
      [1, 65_535],
    ],
  ] as const)
    it(`makes weights ${weights} of ${passing}`, () => {
      const found = readInstances(passing.map((weight, n) => entry('a', n + 1, weight)))
      assert.deepEqual(
        found.map(({ weight }) => weight),
        weights,
      )
    })
})

describe('the tag of an upstream', () => {
  const query = (service: string, tags: string[] = [], datacenter?: string) => ({ service, tags, datacenter })
  for (const [tags, expected] of [
    [[], undefined],
    [['team-a', 'consular'], undefined],
    [['team-a', 'consul:users'], query('users')],
    [['consul:users?tag=v2&tag=eu%20west&dc=berlin'], query('users', ['v2', 'eu west'], 'berlin')],
  ] as const)
    it(`is read from ${JSON.stringify(tags)}`, () => assert.deepEqual(readMark(tags), expected))

  for (const [tags, problem] of [
    [['consul:'], /names no service/],
    [['consul:?tag=x'], /names no service/],
    [['consul:a', 'consul:b'], /several/],
    [['consul:a?tags=x'], /has tags, not tag or dc/],
  ] as const)
    it(`is refused in ${JSON.stringify(tags)}`, () => {
      const mark = readMark(tags)
      assert.ok(mark && 'problem' in mark)
      assert.match(mark.problem, problem)
    })
})

describe('blocking queries', () => {
  for (const [previous, received, next] of [
    [0, 7, 7],
    [7, 9, 9],
    [7, 7, 7],
    [9, 7, 0],
    [7, 0, 0],
    [0, 0, 1],
  ] as const)
    it(`ask with ${next} after ${previous} and ${received}`, () =>
      assert.equal(nextIndex(previous, received), next))

  /** Consul's answers one after the other, then none. */
  async function run(answers: readonly (ServiceAnswer | Error)[]) {
    const stop = new AbortController()
    const asked: number[] = []
    const told: string[] = []
    const waits: number[] = []
    let nowMs = 0
    const consul = {
      async passing(_: object, { index }: { index: number }): Promise<ServiceAnswer> {
        asked.push(index)
        const answer = answers[asked.length - 1]
        if (answer instanceof Error) throw answer
        if (answer) return answer
        stop.abort()
        throw new Error('aborted')
      },
    }
    const listener = {
      known: (instances: readonly object[]) => told.push(`${instances.length} known`),
      lost: ({ code }: SluiceError) => told.push(code),
    }
    const parts = {
      monotonic: () => nowMs,
      random: () => 0.5,
      async wait(ms: number) {
        waits.push(ms)
        nowMs += ms
      },
    }
    await watchService(consul, { service: 'a', tags: [], datacenter: undefined }, listener, {
      ...parts,
      signal: stop.signal,
    })
    return { asked, told, waits }
  }
  const answer = (index: number): ServiceAnswer => ({ index, instances: [] })
  const away = new SluiceError('SLUICE_CONSUL_UNREACHABLE', 'no answer')

  it('go on from the index of the answer, and anew when it went backwards', async () => {
    assert.deepEqual((await run([answer(5), answer(9), answer(3), answer(3)])).asked, [0, 5, 9, 0, 3])
  })

  it('begin anew behind a failure, with growing pauses up to two seconds, each with a part of chance', async () => {
    const { asked, told, waits } = await run([answer(5), ...Array<Error>(6).fill(away), answer(5)])
    assert.deepEqual(asked, [0, 5, 0, 0, 0, 0, 0, 0, 5])
    assert.deepEqual(told, ['0 known', ...Array(6).fill('SLUICE_CONSUL_UNREACHABLE'), '0 known'])
    assert.deepEqual(waits.slice(1, 7), [75, 150, 300, 600, 1_200, 1_500])
  })

  it('of a service that changes all the time come twenty times a second at most', async () => {
    const { waits } = await run([answer(1), answer(2), answer(3)])
    assert.deepEqual(waits, [50, 50, 50])
  })

  it('tell that an answer cannot be read', async () => {
    assert.deepEqual((await run([new SyntaxError('Unexpected token')])).told, ['SLUICE_CONSUL_REFUSED'])
  })
})
