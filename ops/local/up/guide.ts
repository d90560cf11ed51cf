import path from 'node:path'
import { sampleCredentials } from './credentials.ts'
import { envFile } from './env.ts'
import { OPERATOR, passwordFile, tokenFile } from './manager.ts'
import type { UpState } from './state.ts'

/** What to try next: each command shows one thing that the platform does. */
export function guide(state: UpState): string {
  const sections = [
    addresses(state),
    ...state.degraded.map(missing),
    ['Try:'],
    requests(state),
    ...(hasShop(state) ? [shop(state)] : []),
    operation(state),
  ]
  const lines = sections.flatMap(section => [...section, ''])
  return ['Sluice is up.', '', ...lines, 'make ps · make logs · make down', ''].join('\n')
}

const controlUrl = ({ ports }: UpState) => `http://127.0.0.1:${ports.control}/_control`

function addresses(state: UpState): string[] {
  const { ports } = state
  return [
    `  clients        http://127.0.0.1:${ports.proxy}`,
    `  what it offers http://127.0.0.1:${ports.proxy}/ · documentation: /docs · the sample shop: /app/`,
    `  Admin API      http://127.0.0.1:${ports.admin}`,
    ...(state.urls.postgres === undefined ? [] : manager(state)),
    `  metrics        http://127.0.0.1:${ports.http}/metrics`,
    `  dictionary     http://127.0.0.1:${ports.sample} (failure switch: ${controlUrl(state)})`,
  ]
}

const manager = ({ ports }: UpState) => [
  `  dashboard      http://127.0.0.1:${ports.manager} (${OPERATOR}, password: cat ${shownPath(passwordFile())})`,
]

const missing = (text: string) => [`  missing        ${text.split('\n').join('\n                 ')}`]

function requests(state: UpState): string[] {
  const { SLUICE_UP_JASON_KEY: jason, SLUICE_UP_EDDIE_KEY: eddie } = sampleCredentials()
  const word = `http://127.0.0.1:${state.ports.proxy}/dictionary/good`
  const control = controlUrl(state)
  const many = (count: number, key: string, behindEach = '') =>
    `for i in $(seq ${count}); do curl -s -o /dev/null -w '%{http_code} ' -H 'apikey: ${key}' ${word}; ${behindEach}done; echo`
  return [
    '  # 401: no key',
    `  curl -i ${word}`,
    '  # 200: the key of jason, tier gold',
    `  curl -i -H 'apikey: ${jason}' ${word}`,
    '  # 429 with its headers: eddie, tier bronze, has five requests a minute',
    `  ${many(6, eddie)}`,
    `  curl -i -H 'apikey: ${eddie}' ${word}`,
    '  # the breaker opens: 500 from the service, then 503 from the gateway …',
    `  curl -d '{"mode":"fail"}' ${control}`,
    `  ${many(8, jason)}`,
    '  # … and heals by itself, some seconds later',
    `  curl -d '{"mode":"ok"}' ${control}`,
    `  ${many(12, jason, 'sleep 1; ')}`,
  ]
}

const hasShop = ({ components }: UpState) => components.some(({ name }) => name === 'products')

function shop({ ports }: UpState): string[] {
  const proxy = `http://127.0.0.1:${ports.proxy}`
  const json = `-H 'content-type: application/json'`
  const login = '{"email":"ada@example.org","password":"correct horse"}'
  return [
    '  # users and products: register, log in, add a product, which only who is logged in may',
    `  curl ${json} -d '{"name":"Ada",${login.slice(1)}' ${proxy}/users`,
    `  TOKEN=$(curl -s ${json} -d '${login}' ${proxy}/users/login | sed -E 's/.*"access_token":"([^"]*)".*/\\1/')`,
    `  curl ${json} -H "authorization: Bearer $TOKEN" -d '{"name":"Tea","price_cents":350}' ${proxy}/products`,
    `  curl -H "authorization: Bearer $TOKEN" ${proxy}/products`,
    '  # 401: the service refuses who comes around the gateway',
    `  curl -i -H "authorization: Bearer $TOKEN" http://127.0.0.1:${ports.products}/products`,
  ]
}

function operation({ ports, urls }: UpState): string[] {
  const api = `http://127.0.0.1:${ports.manager}/v1/apis`
  const publish = [
    '  # an API in one request: a change of the manager, applied whole or undone',
    `  curl -H "Authorization: Bearer $(cat ${shownPath(tokenFile())})" -H 'Content-Type: application/json' -d '${JSON.stringify(example(ports.sample))}' ${api}`,
    `  curl http://127.0.0.1:${ports.proxy}/words/good`,
  ]
  const events = [
    '  # the events of these requests, in PostgreSQL and on the queue of RabbitMQ',
    '  make events',
  ]
  return [
    ...(urls.postgres === undefined ? [] : publish),
    ...(urls.postgres || urls.rabbit ? events : []),
    '  # the latest requests as traces: from the client through the plugins to the service',
    '  make traces',
    '  # operator commands: addresses and passwords are in a file for the shell (make env prints it)',
    `  . ${shownPath(envFile())}`,
    '  sluice breaker list',
    '  sluice plan -f kong/desired/kong.yaml -f kong/desired/platform.yaml',
  ]
}

const example = (port: number) => ({ name: 'words', url: `http://127.0.0.1:${port}`, paths: ['/words'] })

/** As one types it where `make up` was typed. */
function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file)
  return relative.startsWith('..') || !relative.includes('/') ? file : relative
}
