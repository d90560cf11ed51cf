import { Command, Option } from 'commander'
import { ConsulClient } from '../../discovery/consul/client.ts'
import { Discovery } from '../../discovery/discovery.ts'
import { createFeedMetrics } from '../../discovery/metrics.ts'
import { discoverOnce, type UpstreamReport } from '../../discovery/once.ts'
import { serveObservations } from '../../foundation/health.ts'
import type { Address } from '../../foundation/http-listener.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { parseDuration } from '../format/duration.ts'
import { toJsonText } from '../format/json.ts'
import { layOutTable } from '../format/table.ts'
import { readAddress } from '../wiring/address.ts'
import { type AdminFlags, retryParts, withAdminOptions, withKong } from '../wiring/admin.ts'

interface DiscoverFlags extends AdminFlags {
  readonly consulUrl?: string
  readonly hold: string
  readonly emptyAfter: string
  readonly kongEvery: string
  readonly http: string
  readonly once?: true
  readonly json?: true
}

export const command = withAdminOptions(new Command())
  .addOption(
    new Option('--consul-url <url>', 'Consul; CONSUL_HTTP_ADDR, or http://127.0.0.1:8500, by default').env(
      'SLUICE_CONSUL_URL',
    ),
  )
  .option('--hold <time>', 'targets beyond half of an upstream go when they were missing this long', '30s')
  .option('--empty-after <time>', 'the last targets go when Consul named no other for this long', '10m')
  .option('--kong-every <time>', "how often Kong's upstreams and targets are read again", '10s')
  .option('--http <host:port>', 'metrics and health; `off` for none', 'off')
  .option('--once', 'one pass, then exit')
  .option('--json', 'with --once: print JSON')
  .addHelpText(
    'after',
    `
An upstream of Kong with the tag consul:SERVICE gets the passing instances of
that service as targets. Instances can be chosen:
consul:SERVICE?tag=v2&dc=berlin. Only targets with the tag sluice-discovery are
touched. Consul's token is CONSUL_HTTP_TOKEN. With --once the exit status is 1
when an upstream has a problem.`,
  )
  .action(async (flags: DiscoverFlags) => {
    const limits = { holdMs: parseDuration(flags.hold), emptyAfterMs: parseDuration(flags.emptyAfter) }
    const following = {
      readKongEveryMs: parseDuration(flags.kongEvery),
      address: readAddress('--http', flags.http),
    }
    const consul = new ConsulClient({
      url: consulUrl(flags),
      token: process.env.CONSUL_HTTP_TOKEN || undefined,
    })
    const parts = { ...retryParts, consul, limits }
    const stop = new AbortController()
    const onSignal = () => stop.abort()
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    try {
      await withKong(
        flags,
        kong =>
          flags.once ? once({ ...parts, kong }, flags) : follow({ ...parts, kong }, following, stop.signal),
        { signal: stop.signal },
      )
    } finally {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      await consul.close()
    }
  })

/** Consul's own variable may lack the scheme. */
function consulUrl(flags: DiscoverFlags): string {
  const given = flags.consulUrl || process.env.CONSUL_HTTP_ADDR || ''
  if (given === '') return 'http://127.0.0.1:8500'
  return given.includes('://') ? given : `http://${given}`
}

async function once(parts: Parameters<typeof discoverOnce>[0], flags: DiscoverFlags): Promise<void> {
  const reports = await discoverOnce(parts)
  process.stdout.write(flags.json ? toJsonText(reports, 2) : renderReports(reports))
  if (reports.some(({ problem }) => problem)) process.exitCode = 1
}

function renderReports(reports: readonly UpstreamReport[]): string {
  if (reports.length === 0) return 'no upstream of Kong has a tag consul:SERVICE\n'
  const rows = reports.map(report => [
    report.upstream,
    report.service,
    report.instances.length,
    report.created.join(' '),
    report.updated.join(' '),
    report.deleted.join(' '),
    report.held.join(' '),
    report.problem?.message,
  ])
  return layOutTable(
    ['upstream', 'service', 'passing', 'created', 'updated', 'deleted', 'held', 'problem'],
    rows,
  )
}

async function follow(
  parts: Omit<Parameters<typeof Discovery.start>[0], 'log' | 'metricsOf' | 'readKongEveryMs'> & {
    readonly kong: AdminClient
  },
  { address, readKongEveryMs }: { readonly address: Address | undefined; readonly readKongEveryMs: number },
  signal: AbortSignal,
): Promise<void> {
  const log = createLogger(readSettings().logLevel)
  const metrics = createMetrics({ process: true })
  const discovery = await Discovery.start({
    ...parts,
    log,
    metricsOf: createFeedMetrics(metrics),
    readKongEveryMs,
  })
  try {
    const observed = { metrics, health: () => discovery.health() }
    const server = address && (await serveObservations(address, observed, '--http'))
    if (server) log.info({ host: address.host, port: server.port }, 'metrics and health are served')
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await server?.close()
  } finally {
    await discovery.close()
  }
  log.info('ended; the targets stay as they are')
}
