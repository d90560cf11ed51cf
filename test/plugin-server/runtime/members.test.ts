import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import type { Method } from '../../../protocol/calls.ts'
import { type AccessKong, composePlugins, type FailurePolicy, type Undo } from '../../../sdk/sdk.ts'
import { ScriptedExchange } from '../../support/scripted-exchange.ts'
import { createTestTime } from '../../support/test-time.ts'
import { bench, exitOf, failing, type Handler } from './bench.ts'

const never = () => new Promise<never>(() => {})

interface Parts {
  readonly onError?: FailurePolicy
  readonly deadlineMs?: number
}

type Taking = (kong: AccessKong, onRollback: (undo: Undo) => void) => unknown

/** An event of two members, in a time that stands still until it is moved. */
async function ofTwo(
  first: Taking,
  firstParts: Parts,
  second: Taking,
  secondParts: Parts = {},
  exchange = new ScriptedExchange(),
) {
  const member = (
    name: string,
    handler: Taking,
    { onError = 'open', deadlineMs = 1000 }: Parts,
  ): AnyPlugin => ({
    ...failing(() => {}, onError),
    name,
    priority: name === 'first' ? 2 : 1,
    deadlineMs: { access: deadlineMs },
    phases: { access: (kong, { onRollback }) => handler(kong, onRollback) as undefined },
  })
  const time = createTestTime()
  const both = composePlugins('both', '1.0.0', [
    member('first', first, firstParts),
    member('second', second, secondParts),
  ])
  const { begin, runtime, logged } = await bench(both, time, '{"first":{},"second":{}}')
  const listener = begin(exchange)
  const hasEnded = () => exchange.said.at(-1)?.[0] === 'end'
  return { time, exchange, listener, hasEnded, runtime, logged }
}

function gate() {
  let open = () => {}
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}

describe('the members of a composed plugin', () => {
  it('do not run behind one that has exited, whatever that made of the exit', async () => {
    let ran = false
    const { exchange, hasEnded } = await ofTwo(
      kong => {
        try {
          kong.response.exit(418)
        } catch {}
      },
      {},
      () => {
        ran = true
      },
    )
    assert.deepEqual([hasEnded(), exitOf(exchange)?.[1], ran], [true, 418, false])
  })

  for (const [what, end] of [
    ['returns', (late: ReturnType<typeof gate>) => late.open()],
    ['fails', (late: ReturnType<typeof gate>) => late.fail(new Error('late'))],
  ] as const)
    it(`run on when one before them ${what} late: it can say nothing more, and gives back what it takes`, async () => {
      const late = gate()
      const goesOn = gate()
      const steps: string[] = []
      const { time, exchange, hasEnded } = await ofTwo(
        async (kong, onRollback) => {
          await late.promise.finally(() => {
            onRollback(() => steps.push('given back'))
            assert.throws(() => kong.response.setHeader('x-late', '1'), { code: 'SLUICE_PDK_CLOSED' })
            steps.push('refused')
          })
        },
        { deadlineMs: 20 },
        async kong => {
          await goesOn.promise
          kong.response.exit(418)
        },
      )
      time.advance(20)
      end(late)
      await turn()
      assert.deepEqual(steps, ['given back', 'refused'])
      assert.equal(hasEnded(), false)
      goesOn.open()
      await turn()
      assert.equal(exitOf(exchange)?.[1], 418)
      assert.equal(JSON.stringify(exchange.said).includes('x-late'), false)
    })

  it('have time of their own behind one that was late, and are not taken for one that was in time', async () => {
    const late = await ofTwo(never, { deadlineMs: 20 }, never, { deadlineMs: 100 })
    late.time.advance(119)
    assert.equal(late.hasEnded(), false)
    late.time.advance(1)
    assert.equal(late.hasEnded(), true)

    const inTime = gate()
    const goesOn = gate()
    const { time, hasEnded, logged } = await ofTwo(
      () => inTime.promise,
      { deadlineMs: 20 },
      () => goesOn.promise,
    )
    time.advance(10)
    inTime.open()
    await turn()
    time.advance(500)
    goesOn.open()
    await turn()
    assert.deepEqual([hasEnded(), logged], [true, []])
  })

  it('have together the time of the slowest', async () => {
    const first = gate()
    const { time, hasEnded } = await ofTwo(() => first.promise, { deadlineMs: 100 }, never, {
      deadlineMs: 100,
    })
    time.advance(80)
    first.open()
    await turn()
    time.advance(19)
    assert.equal(hasEnded(), false)
    time.advance(1)
    assert.equal(hasEnded(), true)
  })

  it('exit in a callback also behind one that has failed', async () => {
    const { exchange } = await ofTwo(
      () => assert.fail('on purpose'),
      {},
      kong => {
        setImmediate(() => {
          try {
            kong.response.exit(401)
          } catch {}
        })
        return never()
      },
    )
    await turn()
    await turn()
    assert.equal(exitOf(exchange)?.[1], 401)
  })

  it('give back what they took in the opposite order, each thing once, though one of them cannot', async () => {
    const steps: string[] = []
    const { hasEnded } = await ofTwo(
      (_, onRollback) => {
        for (const step of ['first', 'second']) onRollback(() => steps.push(step))
        onRollback(() => assert.fail('on purpose'))
        onRollback(() => steps.push('last'))
      },
      {},
      kong => kong.response.exit(429),
    )
    assert.deepEqual([hasEnded(), steps], [true, ['last', 'second', 'first']])
  })

  it('that fail and are passed over give back what they took themselves, once', async () => {
    const steps: string[] = []
    const { hasEnded } = await ofTwo(
      (_, onRollback) => onRollback(() => steps.push('first')),
      {},
      (_, onRollback) => {
        onRollback(() => steps.push('second'))
        assert.fail('on purpose')
      },
    )
    assert.deepEqual([hasEnded(), steps], [true, ['second']])
    const failed: string[] = []
    await ofTwo(
      (_, onRollback) => {
        onRollback(() => failed.push('first'))
        assert.fail('on purpose')
      },
      {},
      kong => kong.response.exit(429),
    )
    assert.deepEqual(failed, ['first'])
  })

  it('keep what they take behind a request that went on, and give it back when Kong goes away', async () => {
    const steps: string[] = []
    const goesOn = gate()
    const passed = await ofTwo(
      (_, onRollback) => {
        void goesOn.promise.then(() => onRollback(() => steps.push('given back')))
      },
      {},
      () => {},
    )
    assert.equal(passed.hasEnded(), true)
    goesOn.open()
    await turn()
    assert.equal(steps.length, 0)

    const gone = await ofTwo((_, onRollback) => onRollback(() => steps.push('given back')), {}, never)
    gone.listener?.abandoned('Kong closed the connection')
    assert.deepEqual([steps, gone.runtime.running], [['given back'], 0])
  })
})

describe('an error answer for which Kong is asked what the client accepts', () => {
  const denying: Handler = kong => kong.response.error(403)

  it('goes out as it is at the deadline, once, where Kong does not say', async () => {
    const exchange = new ScriptedExchange({}, 'ProtoBuf:1', Number.POSITIVE_INFINITY)
    const { time, hasEnded, runtime } = await ofTwo(
      denying,
      { onError: 'closed', deadlineMs: 20 },
      () => {},
      {},
      exchange,
    )
    assert.equal(hasEnded(), false)
    time.advance(1000)
    assert.deepEqual([hasEnded(), exitOf(exchange)?.[1]], [true, 403])
    await turn()
    assert.equal(runtime.running, 0)
  })
})

describe('a write that cannot be sent', () => {
  class Unwritable extends ScriptedExchange {
    override call(method: Method, args: readonly unknown[]): void {
      if (method === 'kong.response.set_headers') throw new Error('on purpose')
      super.call(method, args)
    }
  }
  for (const [onError, status] of [
    ['closed', 500],
    ['open', undefined],
  ] as const)
    it(`${status ? 'ends the request' : 'lets the request pass'} where the policy is ${onError}`, async () => {
      const exchange = new Unwritable()
      const setsHeader: Handler = kong => kong.response.setHeader('x-a', '1')
      const { hasEnded, logged } = await ofTwo(setsHeader, { onError }, () => {}, {}, exchange)
      assert.deepEqual([hasEnded(), exitOf(exchange)?.[1]], [true, status])
      assert.match(String(logged[0]?.[1].reason), /on purpose/)
    })
})

describe('a denial in the place of a handler that failed', () => {
  it('has nothing of what that wrote', async () => {
    const fails: Handler = kong => {
      kong.response.setHeader('x-half', 'done')
      assert.fail('on purpose')
    }
    const { exchange } = await ofTwo(fails, { onError: 'closed' }, () => {})
    assert.equal(exitOf(exchange)?.[1], 503)
    assert.equal(JSON.stringify(exchange.said).includes('x-half'), false)
  })
})

describe('a runtime', () => {
  it('that is closed leaves no deadline behind', async () => {
    const { runtime, time, hasEnded } = await ofTwo(never, {}, never)
    runtime.close()
    time.advance(10_000)
    assert.equal(hasEnded(), false)
  })

  it('that drains begins no event, and tells all who wait when the last one has ended', async () => {
    const gates = [gate(), gate()]
    const left = [...gates]
    const { runtime, begin } = await bench(
      failing(() => left.shift()?.promise),
      createTestTime(),
    )
    const ended: string[] = []
    for (const _ of gates) begin(new ScriptedExchange())
    const waiting = ['one', 'other'].map(who => runtime.drain().then(() => ended.push(who)))
    assert.equal(begin(new ScriptedExchange()), undefined)
    gates[0]?.open()
    await turn()
    assert.deepEqual([ended.length, runtime.running], [0, 1])
    gates[1]?.open()
    await Promise.all(waiting)
    await runtime.drain()
    assert.deepEqual([ended, runtime.running], [['one', 'other'], 0])
  })
})
