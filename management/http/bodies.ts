import type { FastifyInstance, FastifyRequest } from 'fastify'
import { pointerTo } from '../changes/fault.ts'
import { Problem } from './problem.ts'
import { UNSTORABLE, unstorableIn } from './storable.ts'

/** Nothing that Kong takes is nested as deep; what walks through a body goes a call deeper with each level. */
const DEEPEST = 64

/** Reads JSON, and refuses what another reader would read otherwise: broken UTF-8, numbers that no double holds. */
export function readBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (request: FastifyRequest, body: Buffer) =>
      new Promise<unknown>((resolve, reject) => {
        const done = (error: Error | null, value?: unknown) => (error ? reject(error) : resolve(value))
        void parse(request, textOf(request, body), done)
      }).then(value => {
        refuseExtremes(value)
        refuseUnstorable(value)
        return value
      }),
  )
  // NUL is not in any name, and PostgreSQL takes it in no parameter.
  app.addHook('onRequest', async ({ url }) => {
    if (url.includes('%00'))
      throw new Problem('SLUICE_MANAGER_MALFORMED', 'the path or a parameter holds NUL')
  })
}

function refuseUnstorable(body: unknown): void {
  const faults = unstorableIn(body).map(path => ({
    pointer: pointerTo('', path),
    code: 'invalid',
    detail: `${path.join('.')}: ${UNSTORABLE}`,
  }))
  if (faults.length > 0) throw new Problem('SLUICE_MANAGER_MALFORMED', UNSTORABLE, { faults })
}

/** @throws Problem for a body that is compressed or no UTF-8. */
export function textOf({ headers }: FastifyRequest, body: Buffer): string {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (coding !== 'identity')
    throw new Problem(
      'SLUICE_MANAGER_MEDIA_TYPE',
      `a body is taken as it is, not as ${JSON.stringify(coding)}`,
      {
        headers: { 'accept-encoding': 'identity' },
      },
    )
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw new Problem('SLUICE_MANAGER_MALFORMED', 'the body is not UTF-8', { cause: error })
  }
}

/** @throws Problem; walks without recursion, since the depth is what is in doubt. */
function refuseExtremes(body: unknown): void {
  let level: readonly unknown[] = [body]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw new Problem('SLUICE_MANAGER_MALFORMED', `the body is nested deeper than ${DEEPEST} levels`)
    if (level.some(value => typeof value === 'number' && !Number.isFinite(value)))
      throw new Problem('SLUICE_MANAGER_MALFORMED', 'the body has a number that is too large for a double')
    level = level.flatMap(value => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}
