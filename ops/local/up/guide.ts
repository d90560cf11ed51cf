import path from 'node:path'
import { sampleCredentials } from './credentials.ts'
import { envFile } from './env.ts'
import type { UpState } from './state.ts'

/** What to try next: each command shows one thing that the platform does. */
export function guide({ ports, degraded, urls }: UpState): string {
  const proxy = `http://127.0.0.1:${ports.proxy}`
  const control = `http://127.0.0.1:${ports.control}/_control`
  const { SLUICE_UP_JASON_KEY: jason, SLUICE_UP_EDDIE_KEY: eddie } = sampleCredentials()
  const word = `${proxy}/dictionary/good`
  const many = (count: number, key: string, behindEach = '') =>
    `for i in $(seq ${count}); do curl -s -o /dev/null -w '%{http_code} ' -H 'apikey: ${key}' ${word}; ${behindEach}done; echo`
  const lines = [
    'Sluice is up.',
    '',
    `  clients        ${proxy}`,
    `  Admin API      http://127.0.0.1:${ports.admin}`,
    `  metrics        http://127.0.0.1:${ports.http}/metrics`,
    `  sample         http://127.0.0.1:${ports.sample} (failure switch: ${control})`,
    '',
    ...degraded.flatMap(text => [`  missing        ${text.split('\n').join('\n                 ')}`, '']),
    'Try:',
    '',
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
  if (urls.postgres || urls.rabbit)
    lines.push(
      '  # the events of these requests, in PostgreSQL and on the queue of RabbitMQ',
      '  make events',
    )
  lines.push(
    '  # operator commands: their addresses and passwords are in a file for the shell (make env prints it)',
    `  . ${shownPath(envFile())}`,
    '  sluice breaker list',
    '  sluice plan -f kong/desired/kong.yaml',
    '',
    'make ps · make logs · make down',
    '',
  )
  return lines.join('\n')
}

/** As one types it where `make up` was typed. */
function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file)
  return relative.startsWith('..') || !relative.includes('/') ? file : relative
}
