import type { UpState } from './state.ts'

/** What to try next: each command shows one thing that the platform does. */
export function guide({ ports, degraded, urls }: UpState): string {
  const proxy = `http://127.0.0.1:${ports.proxy}`
  const control = `http://127.0.0.1:${ports.control}/_control`
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
    `  curl -i ${proxy}/dictionary/good`,
    '  # 200: the key of jason',
    `  curl -i -H 'apikey: jason' ${proxy}/dictionary/good`,
    '  # 429 with its headers: eddie, of the smallest tier, asks too often',
    `  for i in $(seq 15); do curl -s -o /dev/null -w '%{http_code} ' -H 'apikey: eddie' ${proxy}/dictionary/good; done; echo`,
    `  curl -i -H 'apikey: eddie' ${proxy}/dictionary/good`,
    '  # the breaker opens: 500 from the service, then 503 from the gateway …',
    `  curl -d '{"mode":"fail"}' ${control}`,
    `  for i in $(seq 15); do curl -s -o /dev/null -w '%{http_code} ' -H 'apikey: jason' ${proxy}/dictionary/good; done; echo`,
    '  # … and heals by itself',
    `  curl -d '{"mode":"ok"}' ${control}`,
    `  sleep 10; curl -i -H 'apikey: jason' ${proxy}/dictionary/good`,
  ]
  if (urls.postgres || urls.rabbit)
    lines.push(
      '  # the events of these requests, in PostgreSQL and on the queue of RabbitMQ',
      '  make events',
    )
  lines.push('', 'make ps · make logs · make down', '')
  return lines.join('\n')
}
