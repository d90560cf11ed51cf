import { randomUUID } from 'node:crypto'
import { type PythonService, startPythonService } from '../../ops/local/python-service.ts'
import { atEnd } from './at-end.ts'
import { type Service, sharedPostgres, useRabbit } from './services.ts'
import { serveUpstreamKeys, type UpstreamKeys } from './upstream-keys.ts'

/** The users and products services with stores of their own, behind nobody: a test plays the gateway. */
export interface SamplePlatform {
  readonly users: PythonService
  readonly products: PythonService
  readonly rabbit: Service
  readonly databaseUrl: string
  readonly keys: UpstreamKeys
  /** The settings of both services. */
  readonly env: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect
  readonly body: any
}

export interface CallOptions {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** An access token. */
  readonly bearer?: string
  /** The user of whom the gateway tells the products service. */
  readonly as?: string
}

let started: Promise<SamplePlatform> | undefined

/** One for all files of a mocha process; ended behind the last test. Killed parts must be restarted by who killed them. */
export function samplePlatform(): Promise<SamplePlatform> {
  started ??= start()
  return started
}

async function start(): Promise<SamplePlatform> {
  const [postgres, rabbit, keys] = await Promise.all([sharedPostgres(), useRabbit(), serveUpstreamKeys()])
  const databaseUrl = await postgres.createDatabase()
  const env = {
    SAMPLE_DATABASE_URL: databaseUrl,
    SAMPLE_AMQP_URL: rabbit.url,
    SLUICE_JWKS_URL: keys.jwksUrl,
  }
  const [users, products] = await Promise.all([
    startPythonService('users', { env }),
    startPythonService('products', { env }),
  ])
  return { users, products, rabbit, databaseUrl, keys, env }
}

/** Calls a service with a token of the gateway. */
export async function call(
  platform: SamplePlatform,
  service: 'users' | 'products',
  path: string,
  { method, body, headers, bearer, as }: CallOptions = {},
): Promise<Answer> {
  const token = platform.keys.token({ aud: service, ...(as && { sub: 'users-service', act_sub: as }) })
  const answer = await fetch(`${platform[service].url}${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      'sluice-token': token,
      ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

export interface LoggedIn {
  readonly id: string
  readonly email: string
  readonly password: string
  readonly bearer: string
  readonly refreshToken: string
}

/** A new account that is logged in. */
export async function newUser(platform: SamplePlatform): Promise<LoggedIn> {
  const fields = { email: `${randomUUID()}@example.org`, name: 'Ada', password: 'correct horse battery' }
  const { body: user } = await call(platform, 'users', '/users', { body: fields })
  const { email, password } = fields
  const { body: tokens } = await call(platform, 'users', '/users/login', { body: { email, password } })
  return { id: user.id, email, password, bearer: tokens.access_token, refreshToken: tokens.refresh_token }
}

atEnd(async () => {
  const platform = await started?.catch(() => undefined)
  if (!platform) return
  await Promise.all([platform.users.close(), platform.products.close()])
  await Promise.all([platform.rabbit.close(), platform.keys.close()])
})
