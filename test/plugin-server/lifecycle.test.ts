import assert from 'node:assert/strict'
import { systemClock } from '../../foundation/clock.ts'
import { createEndings, drainEvents, Lifecycle } from '../../plugin-server/lifecycle.ts'
import { silentLog } from '../support/plugin-server.ts'
import { createTestTime } from '../support/test-time.ts'

describe('the end of a server', () => {
  /** What it did, in order. */
  function serve(isCurrent = true) {
    const steps: string[] = []
    const step = (what: string) => async () => void steps.push(what)
    const { timers, advance } = createTestTime()
    const endings = createEndings(silentLog)
    endings.add(step('store'))
    endings.add(() => assert.fail('on purpose'))
    endings.add(step('runtime'))
    let current = isCurrent
    const lifecycle = new Lifecycle({
      listener: { current: () => current, stopAccepting: () => void steps.push('stopped') },
      http: [{ close: step('http') }],
      drain: async succeeded => void steps.push(`drained ${succeeded}`),
      endings,
      log: silentLog,
      timers,
    })
    const replace = () => {
      current = false
    }
    return { steps, lifecycle, advance, replace }
  }

  it('comes once, however often it is asked for: events first, what was started last before what it needs', async () => {
    const { steps, lifecycle, advance } = serve()
    await Promise.all([lifecycle.close(), lifecycle.close()])
    advance(10_000)
    await lifecycle.ended
    // Without a successor its ports stay open until the end, and show that it drains.
    assert.deepEqual(steps, ['stopped', 'drained false', 'runtime', 'store'])
  })

  it('comes by itself with a successor, which has the socket already and gets the ports at once', async () => {
    const { steps, lifecycle, advance, replace } = serve()
    advance(10_000)
    assert.deepEqual(steps, [])
    replace()
    advance(250)
    await lifecycle.ended
    assert.deepEqual(steps, ['http', 'drained true', 'runtime', 'store'])
  })

  it('waits with a successor until Kong has moved its connections', async () => {
    let open = 3
    const runtime = { running: 0, drain: () => Promise.resolve() }
    const parts = { runtime, connections: () => open--, clock: systemClock, log: silentLog }
    await drainEvents(true, parts)
    assert.ok(open < 1)
    await drainEvents(false, { ...parts, connections: () => 1 })
  })
})
