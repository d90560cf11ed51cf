import { messageOf } from '../../foundation/errors.ts'
import { Type } from '../../foundation/typebox.ts'
import { listBreakers } from '../../plugins/circuit-breaker/management.ts'
import type { Module, Parts } from '../module.ts'
import { KEPT_SECONDS } from './figures-ring.ts'
import { overviewOf } from './overview.ts'
import { shownBreaker } from './shown-breaker.ts'

const DEFAULT_SECONDS = 60
const DEFAULT_STEP = 5
/** Several dashboards ask Redis once. */
const BREAKERS_FOR_MS = 1_000

const Query = Type.Object(
  {
    seconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: KEPT_SECONDS,
        default: DEFAULT_SECONDS,
        description: 'of the sums',
      }),
    ),
    step: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 60, default: DEFAULT_STEP, description: 'of the series, seconds' }),
    ),
    since: Type.Optional(
      Type.Integer({ minimum: 0, description: 'only points of the series after that, unix seconds' }),
    ),
  },
  { additionalProperties: false },
)

interface Breakers {
  readonly breakers: readonly Readonly<Record<string, unknown>>[] | null
  readonly problem?: string
}

/** What happens now: requests, errors, latency, limits, breakers, sinks. */
export const overviewRoutes: Module = (app, parts) => {
  const { live, clock, settings, problems, readiness } = parts
  let known: { readonly answer: Promise<Breakers>; readonly untilMs: number } | undefined
  const breakers = (): Promise<Breakers> => {
    const nowMs = clock.monotonic()
    if (!known || known.untilMs <= nowMs)
      known = { answer: readBreakers(parts), untilMs: nowMs + BREAKERS_FOR_MS }
    return known.answer
  }
  app.get(
    '/v1/overview',
    {
      config: { access: 'viewer' },
      schema: { tags: ['overview'], summary: 'What happened lately', querystring: Query },
    },
    async ({ query }) => {
      const { seconds = DEFAULT_SECONDS, step = DEFAULT_STEP, since = 0 } = query
      const { breakers: found, problem } = await breakers()
      return {
        ...overviewOf(live.figures, { seconds, step, since }, clock.now()),
        breakers: found,
        problems: [
          ...(settings.managerMetricsUrls
            ? []
            : ['SLUICE_MANAGER_METRICS_URLS is not set: nothing is counted']),
          ...live.figures.sources.flatMap(({ url, reason }) =>
            reason === undefined ? [] : [`${url}: ${reason}`],
          ),
          ...(problem === undefined ? [] : [problem]),
          ...readiness.problems,
          ...problems(),
        ],
      }
    },
  )
}

async function readBreakers({ live: { store } }: Parts): Promise<Breakers> {
  if (!store)
    return { breakers: null, problem: 'SLUICE_REDIS_URL is not set: breakers and limits are not known' }
  try {
    return { breakers: (await listBreakers(store)).map(shownBreaker) }
  } catch (error) {
    return { breakers: null, problem: `Redis: ${messageOf(error)}` }
  }
}
