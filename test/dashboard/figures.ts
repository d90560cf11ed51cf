/**
 * `npx mocha dist/test/dashboard/figures.js`: how quick the dashboard is, and its memory over an hour. Run by hand, on
 * a machine that has nothing else to do.
 */
import { randomUUID } from 'node:crypto'
import { loadavg } from 'node:os'
import { Dashboard } from '../support/dashboard.ts'
import type { WorldOptions } from '../support/dashboard-world.ts'

const CONSUMERS = Number(process.env.SLUICE_TEST_CONSUMERS ?? 5_000)
const RUNS = Number(process.env.SLUICE_TEST_FIGURE_RUNS ?? 60)
/** An hour, ten seconds a step, with ten events a second. */
const STEPS = Number(process.env.SLUICE_TEST_HOUR_STEPS ?? 360)
const STEP_MS = 10_000
const EVENTS_A_STEP = 100
const HEAP_EVERY = Math.max(1, Math.floor(STEPS / 6))

const seed: WorldOptions['seed'] = async ({ admin }, url) => {
  await admin('PUT', '/services/keyed', { url })
  await admin('PUT', '/services/keyed/routes/keyed', { paths: ['/keyed'] })
  for (const name of ['key-auth', 'key-auth-audit']) await admin('POST', '/services/keyed/plugins', { name })
  for (let i = 0; i < CONSUMERS; i++)
    await admin('PUT', `/consumers/consumer-${String(i).padStart(5, '0')}`, { custom_id: `crm-${i}` })
}

function report(what: string, millis: readonly number[]): void {
  const sorted = millis.toSorted((a, b) => a - b)
  const at = (part: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)
  const load = loadavg()[0]?.toFixed(1)
  process.stdout.write(
    `    ${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms (${millis.length}; load ${load})\n`,
  )
}

/** In the page: resolves when the selector's first element says this; with the milliseconds since `begunAt`. */
const appears = (selector: string, text: string, begunAt = 'performance.now()') => `new Promise(resolve => {
  const since = ${begunAt}
  const look = () => {
    const [first] = document.querySelectorAll(${JSON.stringify(selector)})
    if (first?.textContent.includes(${JSON.stringify(text)})) resolve(performance.now() - since)
    else requestAnimationFrame(look)
  }
  look()
})`

describe('figures of the dashboard', function () {
  this.timeout(1_800_000)
  const dashboard = Dashboard.use({ seed, hasBroker: true })

  it('is usable', async () => {
    const took: number[] = []
    for (let i = 0; i < Math.ceil(RUNS / 4); i++) {
      const at = await dashboard.visit('admin', 'consumers')
      // Since the navigation began.
      took.push(await at.page.evaluate<number>(appears('tbody tr', 'consumer-', '0')))
      await at.end()
    }
    report('cold, until the list of consumers is there', took)
  })

  it('searches', async () => {
    const at = await dashboard.visit('admin', 'consumers')
    const took: number[] = []
    for (let i = 0; i < RUNS; i++) {
      const name = `consumer-${String((i * 37) % CONSUMERS).padStart(5, '0')}`
      for (const text of [name.slice(0, 12), name])
        took.push(
          await at.page.evaluate<number>(`(() => {
            const input = document.querySelector('input[type=search]')
            const begunAt = performance.now()
            Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, ${JSON.stringify(text)})
            input.dispatchEvent(new Event('input', { bubbles: true }))
            return ${appears('tbody tr', text, 'begunAt')}
          })()`),
        )
    }
    report(`a key pressed, until what was found among ${CONSUMERS} is there`, took)
  })

  it('shows events', async () => {
    const at = await dashboard.visit('admin')
    await at.page
      .getByRole('status')
      .filter({ hasText: /^Live$/ })
      .waitFor()
    const took: number[] = []
    for (let i = 0; i < RUNS; i++) {
      const path = `/keyed/${randomUUID()}`
      // In any row: what is recognised from the request (guessing, say) may come right behind it.
      const seen = at.page.evaluate<number>(
        `${appears('[aria-label="Events"] tbody', path)}.then(() => performance.timeOrigin + performance.now())`,
      )
      await dashboard.request(path, 'wrong')
      const answeredAt = performance.timeOrigin + performance.now()
      took.push((await seen) - answeredAt)
    }
    report('an answer, until its event is there', took)
  })

  it('keeps its memory over an hour', async () => {
    const at = await dashboard.visit('admin')
    const { page } = at
    let connections = 0
    await page.route('**/v1/events', route => {
      const step = connections++
      const events = Array.from({ length: EVENTS_A_STEP }, (_, i) => {
        const data = { client_ip: '192.0.2.1', path: `/keyed/${step}/${i}`, status: 401, reason: 'invalid' }
        const body = { type: 'key-auth.denied.v1', time: new Date().toISOString(), data }
        return `id: ${step}-${i}\nevent: ${body.type}\ndata: ${JSON.stringify(body)}\n\n`
      })
      return route.fulfill({ contentType: 'text/event-stream', body: events.join('') })
    })
    await page.clock.install()
    await page.reload()
    await at.isIn()
    const session = await page.context().newCDPSession(page)
    const heaps: string[] = []
    for (let step = 1; step <= STEPS; step++) {
      await page.clock.runFor(STEP_MS)
      if (step % HEAP_EVERY !== 0) continue
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      heaps.push((usedSize / 1_048_576).toFixed(2))
    }
    const hours = (STEPS * STEP_MS) / 3_600_000
    process.stdout.write(
      `    heap over ${hours.toFixed(2)} h, ${connections * EVENTS_A_STEP} events: ${heaps.join(', ')} MiB\n`,
    )
  })
})
