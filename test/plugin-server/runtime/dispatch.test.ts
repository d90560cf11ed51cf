import assert from 'node:assert/strict'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import type { AccessKong, LogKong } from '../../../sdk/sdk.ts'
import { composePlugins, definePlugin, type FailurePolicy, type Phase, Type } from '../../../sdk/sdk.ts'
import { ScriptedExchange } from '../../support/scripted-exchange.ts'
import { createTestTime } from '../../support/test-time.ts'
import { until } from '../../support/until.ts'

import { bench, exitOf, failing, type Handler, SYSTEM } from './bench.ts'

describe('an event', () => {
  const never = () => new Promise(() => {})
  const ways: readonly [string, Handler][] = [
    ['throws', () => assert.fail('on purpose')],
    ['rejects', () => Promise.reject(new Error('on purpose'))],
    ['throws what is no error', () => Promise.reject('on purpose')],
    ['never ends', never],
    [
      'returns a promise of its own making that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what the test is about
        then() {
          throw new Error('on purpose')
        },
      }),
    ],
    ['waits for Kong and then throws', async kong => assert.fail(String(await kong.client.getConsumer()))],
    [
      'calls what the phase does not allow',
      kong => (kong as unknown as { log: { serialize(): void } }).log.serialize(),
    ],
    ['passes what Kong would refuse', kong => kong.response.setHeader('x', { a: 1 } as unknown as string)],
  ]
  for (const [what, handler] of ways) {
    it(`of a plugin that ${what} is answered 503, when its policy is closed`, async () => {
      const { run } = await bench(failing(handler))
      const [, status, body, headers] = exitOf(await run())!
      assert.equal(status, 503)
      assert.equal(JSON.parse(String(body)).title, 'Service Unavailable')
      assert.deepEqual(headers, { 'content-type': 'application/problem+json' })
    })
    it(`of a plugin that ${what} passes, when its policy is open`, async () => {
      const { run } = await bench(
        failing(kong => {
          kong.response.setHeader('x-half', 'done')
          return handler(kong)
        }, 'open'),
      )
      const { methods } = await run()
      assert.equal(methods.includes('kong.response.exit'), false)
      assert.equal(
        methods.includes('kong.response.set_headers'),
        false,
        'what a failed handler wrote is forgotten',
      )
    })
  }

  const throwsNothing = () => {
    throw undefined
  }
  const oddTimes: readonly [string, () => unknown][] = [
    ['throws', () => assert.fail('on purpose')],
    ['throws nothing', throwsNothing],
    ['is no number', () => '20'],
    ['is not a number', () => Number.NaN],
    ['is not positive', () => 0],
    ['no timer can keep', () => Number.POSITIVE_INFINITY],
  ]
  const broken: readonly [string, Partial<AnyPlugin>][] = [
    ['whose needs throw', { needs: { access: () => assert.fail('on purpose') } }],
    ['whose needs throw nothing', { needs: { access: throwsNothing } }],
    ['whose needs are no list', { needs: { access: () => undefined as never } }],
    ['that needs what there is not', { needs: { access: ['client.getNobody' as 'client.getConsumer'] } }],
    ['that needs what the phase does not allow', { needs: { access: ['log.serialize'] } }],
    ...oddTimes.map(([what, tell]): [string, Partial<AnyPlugin>] => [
      `whose deadline ${what}`,
      { deadlineMs: { access: tell as () => number } },
    ]),
    [
      'whose result cannot be looked at',
      {
        phases: {
          access: () => Object.defineProperty({}, 'then', { get: () => assert.fail('on purpose') }) as never,
        },
      },
    ],
  ]
  for (const [what, part] of broken) {
    for (const waits of [false, true])
      it(`of a plugin ${what} is denied where its policy is closed${waits ? ', behind one that waits' : ''}`, async () => {
        const never = failing(() => new Promise(() => {}))
        const plugin = { ...never, ...part }
        const first = definePlugin({
          ...failing(() => (waits ? turn() : undefined)),
          name: 'first',
          priority: 2,
          deadlineMs: { access: 60_000 },
        })
        const both = composePlugins('both', '1.0.0', [first, plugin])
        const { run, runtime, logged } = await bench(both, SYSTEM, '{"first":{},"failing":{}}')
        const [, status] = exitOf(await run())!
        assert.equal(status, 503)
        assert.deepEqual(
          logged.map(([level, { phase }, message]) => [level, phase, message]),
          // It did not run.
          [['error', 'access', 'phase failed']],
        )
        await runtime.drain()
      })
    it(`of a plugin ${what} passes where its policy is open, and the plugins behind it run`, async () => {
      const plugin = { ...failing(() => new Promise(() => {}), 'open'), ...part }
      const second = { ...failing(kong => kong.response.exit(418)), name: 'second', priority: 0 }
      const both = composePlugins('both', '1.0.0', [plugin, second])
      const { run, runtime } = await bench(both, SYSTEM, '{"failing":{},"second":{}}')
      assert.equal(exitOf(await run())?.[1], 418)
      await runtime.drain()
    })
  }

  it('has the policy of its plugin, whatever a configuration says that the plugin does not declare', async () => {
    const plugin = {
      ...failing(() => assert.fail('on purpose')),
      config: Type.Object({}, { additionalProperties: true }),
    }
    const { run } = await bench(plugin, SYSTEM, '{"on_error":"open"}')
    assert.equal(exitOf(await run())?.[1], 503)
  })

  it('is not touched by what its handler does after its end', async () => {
    let late: unknown
    const { run, runtime } = await bench(
      failing(async kong => {
        await pause(40)
        try {
          kong.response.setHeader('x', '1')
        } catch (error) {
          late = error
          throw error
        }
      }),
    )
    const exchange = await run()
    assert.equal(exitOf(exchange)?.[1], 503)
    const said = exchange.said.length
    while (late === undefined) await pause(1)
    assert.equal((late as { code?: string }).code, 'SLUICE_PDK_CLOSED')
    assert.equal(exchange.said.length, said)
    assert.equal(runtime.running, 0)
  })

  for (const policy of ['closed', 'open'] as const)
    it(`takes back what its handler did when that is late, when its policy is ${policy}`, async () => {
      const steps: string[] = []
      const { run } = await bench(
        failing(async () => {
          await pause(40)
          steps.push('done')
          return () => steps.push('taken back')
        }, policy),
      )
      const exchange = await run()
      assert.equal(exitOf(exchange)?.[1], policy === 'closed' ? 503 : undefined)
      while (steps.length === 0) await pause(1)
      assert.deepEqual(steps, ['done', 'taken back'])
    })

  /** A plugin whose handler takes something, says how to give it back, and goes on as `then` says. */
  function taking(steps: string[], then: Handler, onError: FailurePolicy = 'closed'): AnyPlugin {
    return definePlugin({
      name: 'taking',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      onError,
      deadlineMs: { access: 20 },
      phases: {
        access(kong, { onRollback }) {
          steps.push('taken')
          onRollback(() => steps.push('given back'))
          return then(kong) as undefined
        },
      },
    })
  }
  const roads: readonly (readonly [what: string, then: Handler, givenBack: boolean])[] = [
    ['lets the request pass', () => {}, false],
    ['ends the request itself', kong => kong.response.exit(429), true],
    ['ends it in a callback', kong => new Promise(() => setTimeout(() => exitQuietly(kong), 1)), true],
    ['fails', () => assert.fail('on purpose'), true],
    ['is late', never, true],
  ]
  const exitQuietly = (kong: AccessKong) => {
    try {
      kong.response.exit(401)
    } catch {
      // A timer's exception would be the process's.
    }
  }
  for (const [what, then, givenBack] of roads)
    for (const policy of ['closed', 'open'] as const)
      it(`of a handler that ${what} ${givenBack ? 'gives back what it took' : 'keeps what it took'}, when its policy is ${policy}`, async () => {
        const steps: string[] = []
        const { run } = await bench(taking(steps, then, policy))
        await run()
        assert.deepEqual(steps, givenBack ? ['taken', 'given back'] : ['taken'])
      })

  it('gives back what a handler takes when it is already too late', async () => {
    const steps: string[] = []
    const late = definePlugin({
      name: 'late',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      deadlineMs: { access: 20 },
      phases: {
        async access(_kong, { onRollback }) {
          await pause(50)
          onRollback(() => steps.push('given back'))
        },
      },
    })
    const { run } = await bench(late)
    await run()
    while (steps.length === 0) await pause(2)
    assert.deepEqual(steps, ['given back'])
  })

  it('that returns nonsense has ended all the same', async () => {
    for (const nonsense of [42, null, 'x', [], Symbol('x')]) {
      const { run } = await bench(failing(() => nonsense))
      assert.deepEqual((await run()).said, [['end']])
    }
  })

  it('exits, whatever its handler makes of the exit', async () => {
    const handlers: Handler[] = [
      kong => kong.response.exit(418),
      async kong => {
        await kong.client.getConsumer()
        kong.response.exit(418)
      },
      kong => {
        try {
          kong.response.exit(418)
        } catch {
          // Swallowed.
        }
      },
      ...[false, true].map(
        (waits): Handler =>
          kong => {
            try {
              kong.response.exit(418)
            } catch (cause) {
              const wrapped = new Error('wrapped', { cause })
              if (waits) return Promise.reject(wrapped)
              throw wrapped
            }
          },
      ),
    ]
    for (const handler of handlers) {
      const { run, logged } = await bench(failing(handler))
      assert.equal(exitOf(await run())?.[1], 418)
      assert.deepEqual(logged, [])
    }
  })

  it('of the log phase ends within 100 ms, whatever its plugin asks for', async () => {
    const slow = definePlugin({
      name: 'slow',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      deadlineMs: { log: 60_000 },
      phases: { log: () => never() as Promise<void> },
    })
    const { run, metrics } = await bench(slow)
    // What is asked is the id for the log, with the end.
    assert.deepEqual((await run('log')).said, [['kong.log.serialize'], ['end']])
    assert.match(await metrics.text(), /sluice_events_total\{plugin="slow",phase="log",outcome="late"\} 1/)
  })

  /** Begins an event in a time that stands still, and tells when it ends. */
  async function held(plugin: AnyPlugin, phase: Phase, answerAfterMs = 0) {
    const time = createTestTime()
    const { runtime } = await bench(plugin, time)
    const { id } = await runtime.handler.startInstance(plugin.name, '{}')
    const exchange = new ScriptedExchange({}, 'ProtoBuf:1', answerAfterMs)
    runtime.handler.handleEvent(id, phase, exchange)
    await turn()
    return { time, runtime, isOver: () => exchange.methods.includes('end') }
  }
  const stuck = (deadlineMs: Partial<Record<Phase, number>>) =>
    definePlugin({
      name: 'stuck',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      deadlineMs,
      phases: { access: () => never() as Promise<void>, log: () => never() as Promise<void> },
    })
  const deadlines: readonly (readonly [phase: Phase, asked: number | undefined, dueMs: number])[] = [
    ['log', undefined, 100],
    ['log', 60_000, 100],
    ['log', 20, 20],
    ['access', undefined, 1000],
    ['access', 60_000, 60_000],
  ]
  for (const [phase, asked, dueMs] of deadlines)
    it(`of the ${phase} phase ends after ${dueMs} ms when its plugin asks for ${asked ?? 'nothing'}`, async () => {
      const { time, isOver } = await held(stuck(asked === undefined ? {} : { [phase]: asked }), phase)
      time.advance(dueMs - 1)
      assert.equal(isOver(), false)
      time.advance(1)
      assert.equal(isOver(), true)
    })

  it('of the log phase waits 10 s for an answer of Kong, and no longer', async () => {
    const asking = definePlugin({
      name: 'asking',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      phases: {
        async log(kong) {
          await kong.client.getConsumer()
        },
      },
    })
    const { time, isOver } = await held(asking, 'log', Number.POSITIVE_INFINITY)
    time.advance(9999)
    assert.equal(isOver(), false)
    time.advance(101)
    assert.equal(isOver(), true)
  })

  it('of the log phase waits longer for an answer of Kong, so that nothing is lost on a busy machine', async () => {
    const recorded: unknown[] = []
    const recorder = definePlugin({
      name: 'recorder',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      phases: {
        async log(kong) {
          recorded.push(await kong.client.getConsumer())
        },
      },
    })
    const { run, metrics } = await bench(recorder)
    await run('log', {}, 250)
    assert.equal(recorded.length, 1)
    assert.match(await metrics.text(), /sluice_events_total\{plugin="recorder",phase="log",outcome="ok"\} 1/)
  })

  it('is logged once a second at most when it fails, and counted always', async () => {
    const { run, logged, metrics } = await bench(failing(() => assert.fail('on purpose')))
    for (let i = 0; i < 20; i++) await run()
    assert.equal(logged.length, 1)
    assert.equal(logged[0]![1].phase, 'access')
    assert.match(String(logged[0]![1].reason), /on purpose/)
    assert.match(await metrics.text(), /outcome="error"\} 20/)
  })

  it('that fails is logged with the id of its request, for which it does not wait', async () => {
    const { run, logged } = await bench(failing(() => assert.fail('on purpose')))
    const { said } = await run('access', { 'kong.nginx.get_var': 'id-1' })
    assert.deepEqual(
      said.map(([method, argument]) => [method, argument]),
      [
        ['kong.nginx.get_var', 'kong_request_id'],
        ['kong.response.exit', 503],
        ['end', undefined],
      ],
      'the exit is the last that Kong reads, and nothing is flushed before it',
    )
    assert.equal(logged[0]![1].requestId, 'id-1')
    assert.equal(
      (await run()).methods.includes('kong.nginx.get_var'),
      false,
      'only for a line that is written',
    )
  })

  it('that is late is logged with the id of its request', async () => {
    const { run, logged } = await bench(failing(never, 'open'))
    await run('access', { 'kong.nginx.get_var': 'id-2' })
    assert.deepEqual(
      logged.map(([, { phase, requestId }, message]) => [phase, requestId, message]),
      [['access', 'id-2', 'phase timed out']],
    )
  })

  it('that fails is logged without an id where Kong does not tell one: at once, after a while, at the end', async () => {
    const atOnce = await bench(failing(() => assert.fail('on purpose')))
    await atOnce.run('access', {}, 0, 'MsgPack:1')
    assert.equal(atOnce.logged.length, 1, 'over MsgPack:1 nothing is asked')
    const ofOld = await bench(failing(() => assert.fail('on purpose')))
    await ofOld.run()
    assert.equal(ofOld.logged.length, 1, 'a Kong before 3.5 answers nothing')
    const silent = await bench(failing(() => assert.fail('on purpose')))
    await silent.run('access', {}, Number.POSITIVE_INFINITY)
    while (silent.logged.length === 0) await pause(5)
    const closed = await bench(failing(() => assert.fail('on purpose')))
    await closed.run('access', {}, Number.POSITIVE_INFINITY)
    closed.runtime.close()
    assert.equal(closed.logged.length, 1)
    for (const { logged } of [atOnce, ofOld, silent, closed])
      assert.equal('requestId' in logged[0]![1], false)
  })

  it('of the log phase takes the id from what was serialized, or asks for that', async () => {
    const serialized = { 'kong.log.serialize': JSON.stringify({ request: { id: 'id-3' } }) }
    for (const reads of [true, false]) {
      const plugin = definePlugin({
        name: 'recorder',
        version: '1.0.0',
        priority: 1,
        config: Type.Object({}),
        phases: {
          async log(kong) {
            if (reads) await kong.log.serialize()
            assert.fail('on purpose')
          },
        },
      })
      const { run, logged } = await bench(plugin)
      const { methods } = await run('log', serialized)
      while (logged.length === 0) await pause(1)
      assert.equal(methods.filter(method => method === 'kong.log.serialize').length, 1)
      assert.equal(logged[0]![1].requestId, 'id-3')
    }
  })

  it('whose handler blocks the loop is named in the log, also behind an answer of Kong', async () => {
    const { run, logged } = await bench(
      failing(async kong => {
        await kong.client.getConsumer()
        const until = performance.now() + 300
        while (performance.now() < until);
      }, 'open'),
    )
    await run()
    while (!logged.some(([, , message]) => /blocked the event loop/.test(message))) await pause(5)
    const [, fields] = logged.find(([, , message]) => /blocked the event loop/.test(message))!
    assert.equal(fields.plugin, 'failing')
    assert.equal(fields.phase, 'access')
    assert.ok(Number(fields.blockedMs) >= 200)
  })

  it('counts the writes after which it waited for Kong', async () => {
    const { run, metrics } = await bench(
      failing(async kong => {
        await Promise.all([kong.client.getConsumer(), kong.router.getService()])
        await kong.router.getRoute()
        kong.response.setHeader('x', '1')
      }),
    )
    await run()
    assert.match(await metrics.text(), /sluice_event_round_trips_total\{plugin="failing",phase="access"\} 2/)
  })

  it('has its declared needs asked for in the first write', async () => {
    const needy = definePlugin({
      name: 'needy',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      needs: { access: ['client.getConsumer', 'router.getService'] },
      phases: {
        async access(kong) {
          await pause(1)
          await kong.client.getConsumer()
          await kong.router.getService()
        },
      },
    })
    const { run } = await bench(needy)
    const { methods } = await run()
    assert.deepEqual(methods, ['kong.client.get_consumer', 'kong.router.get_service', 'flush', 'end'])
  })

  it('may need more by its configuration: headers and values that plugins share, too', async () => {
    const needy = definePlugin({
      name: 'needy',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({ asks: Type.Boolean({ default: true }) }),
      needs: {
        access: ({ config }) =>
          config.asks
            ? [
                ['request.getHeader', 'x-a'],
                ['ctx.shared.get', 'b'],
              ]
            : [],
      },
      phases: {
        async access(kong) {
          await pause(1)
          await kong.request.getHeader('X-A')
          await kong.ctx.shared.get('b')
        },
      },
    })
    const { run } = await bench(needy)
    const { methods } = await run()
    assert.deepEqual(methods, ['kong.request.get_header', 'kong.ctx.shared.get', 'flush', 'end'])
  })

  it('may have a deadline by its configuration, and knows how long its event has taken', async () => {
    let elapsedMs = -1
    const slow = definePlugin({
      name: 'slow',
      version: '1.0.0',
      priority: 1,
      onError: 'closed',
      config: Type.Object({ within: Type.Integer({ default: 30 }) }),
      deadlineMs: { access: ({ within }) => within },
      phases: {
        async access(_, context) {
          await pause(5)
          elapsedMs = context.elapsedMs()
          await new Promise(() => {})
        },
      },
    })
    const { run } = await bench(slow)
    assert.deepEqual((await run()).methods.slice(-2), ['kong.response.exit', 'end'])
    assert.ok(elapsedMs >= 4)
  })

  it('whose needs are answered after it ended harms nobody', async () => {
    const hasty = definePlugin({
      name: 'hasty',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      needs: { access: ['client.getConsumer'] },
      phases: { access: kong => kong.response.exit(429) },
    })
    const { run } = await bench(hasty)
    assert.deepEqual((await run()).methods, ['kong.client.get_consumer', 'kong.response.exit', 'end'])
  })

  function logging(log: (kong: LogKong) => unknown, endsLogFirst = true): AnyPlugin {
    return definePlugin({
      name: 'logging',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      needs: { log: ['log.serialize'] },
      endsLogFirst,
      phases: { log: log as (kong: LogKong) => void },
    })
  }
  const ENTRY = { 'kong.log.serialize': '{"source":"upstream"}' }

  it('of a log phase that only reads its needs is ended in the write that asks, and runs on the answer', async () => {
    const read: unknown[] = []
    const plugin = logging(async kong => read.push((await kong.log.serialize()).source))
    const { run, runtime, metrics } = await bench(plugin)
    const { methods } = await run('log', ENTRY, 5)
    assert.deepEqual(methods, ['kong.log.serialize', 'end'])
    await until(() => runtime.running === 0)
    assert.deepEqual(read, ['upstream'])
    assert.match(await metrics.text(), /sluice_events_total\{plugin="logging",phase="log",outcome="ok"\} 1\n/)
  })

  it('of such a log phase ends behind its handler in MsgPack:1, and where another member says more', async () => {
    const reads = async (kong: LogKong) => void (await kong.log.serialize())
    const { run } = await bench(logging(reads))
    assert.deepEqual((await run('log', ENTRY, 0, 'MsgPack:1')).methods, [
      'kong.log.serialize',
      'flush',
      'end',
    ])

    const silent = { ...logging(reads), name: 'silent', config: Type.Object({}) }
    const other = { ...logging(reads, false), name: 'other', config: Type.Object({}) }
    const composed = composePlugins('both', '1.0.0', [silent, other])
    const ended = async (config: string) => {
      const { run } = await bench(composed, SYSTEM, config)
      return (await run('log', ENTRY)).methods
    }
    assert.deepEqual(await ended('{"silent":{},"other":{}}'), ['kong.log.serialize', 'flush', 'end'])
    assert.deepEqual(await ended('{"silent":{}}'), ['kong.log.serialize', 'end'])
  })

  it('of such a log phase is refused any other call, which Kong could not read', async () => {
    const { run, logged } = await bench(
      logging(async kong => {
        await kong.log.serialize()
        kong.log.info('too late')
      }),
    )
    const { methods } = await run('log', ENTRY)
    await until(() => logged.length > 0)
    assert.deepEqual(methods, ['kong.log.serialize', 'end'])
    assert.match(String(logged[0]?.[1].reason), /kong\.log\.info was called where .*endsLogFirst/)
  })

  it('of such a log phase is over when Kong goes away before it has answered', async () => {
    let ended = 'never'
    const plugin = logging(kong => kong.log.serialize().catch(error => (ended = error.code)))
    const { run, runtime, metrics } = await bench(plugin)
    const exchange = await run('log', {}, Number.POSITIVE_INFINITY)
    assert.equal(runtime.running, 1)
    exchange.close()
    assert.equal(runtime.running, 0)
    await until(() => ended !== 'never')
    assert.equal(ended, 'SLUICE_PDK_CLOSED')
    assert.match(await metrics.text(), /phase="log",outcome="abandoned"\} 1\n/)
  })

  it('of a phase that the plugin does not have ends at once', async () => {
    const { run } = await bench(failing(() => {}))
    assert.deepEqual((await run('rewrite')).said, [['end']])
  })
})
