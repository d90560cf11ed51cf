import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { verifyChains } from '../../events/postgres/chains.ts'
import { createPostgresSink } from '../../events/postgres/sink.ts'
import { createRabbitSink } from '../../events/rabbitmq/sink.ts'
import { describeEventTypes, updateReference } from '../../events/reference.ts'
import { replaySpool } from '../../events/replay.ts'
import type { Sink } from '../../events/sink.ts'
import { listSpools } from '../../events/spool/claim.ts'
import { checkSpools, followSpool, readSpool, type SpoolReport } from '../../events/spool/inspect.ts'
import { OWN_EVENTS } from '../../events/types/registry.ts'
import { type Checkpoint, describeProblem } from '../../events/verify.ts'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'
import type { EventType, SluiceEvent } from '../../sdk/event.ts'
import { toJsonText } from '../format/json.ts'
import { readTime } from '../format/span.ts'
import { layOutTable } from '../format/table.ts'
import { withDatabase } from '../wiring/database.ts'
import { readGivenFile, writeGivenFile } from '../wiring/given-files.ts'

export const command = new Command()

const spoolDirOf = (flags: { spoolDir?: string }) => flags.spoolDir ?? readSettings().spoolDir

command
  .command('tail')
  .description('prints the newest events of the spools, one JSON object a line')
  .option('--spool-dir <dir>', 'SLUICE_SPOOL_DIR')
  .option('-n, --lines <count>', 'how many', '10')
  .option('-f, --follow', 'go on with those that come')
  .option('--type <type>', 'only events of this type')
  .action(async (flags: { spoolDir?: string; lines: string; follow?: boolean; type?: string }) => {
    const wanted = (event: SluiceEvent) => flags.type === undefined || event.type === flags.type
    const count = Number(flags.lines)
    if (!Number.isInteger(count) || count < 0)
      throw new SluiceError(
        'SLUICE_CLI_USAGE',
        `--lines: ${JSON.stringify(flags.lines)} is not a number of lines`,
      )
    const spoolDir = spoolDirOf(flags)
    const spools = await spoolsIn(spoolDir)
    let newest: SluiceEvent[] = []
    if (count > 0)
      for (const { folder, alive } of spools)
        for await (const { events } of readSpool(folder, alive))
          newest = [...newest, ...events.filter(wanted)].sort(byTime).slice(-count)
    for (const event of newest) print(event)
    if (!flags.follow) return
    const running = spools.filter(({ alive }) => alive)
    if (running.length === 0)
      process.stderr.write(`nothing to follow: no plugin server that runs writes to ${spoolDir}\n`)
    await Promise.all(
      running.map(async ({ folder }) => {
        for await (const event of followSpool(folder, () => sleep(200))) if (wanted(event)) print(event)
      }),
    )
  })

command
  .command('check')
  .description('verifies every record and chain in the spools; exits 1 for damage')
  .option('--spool-dir <dir>', 'SLUICE_SPOOL_DIR')
  .option('--json', 'as JSON')
  .action(async (flags: { spoolDir?: string; json?: boolean }) => {
    const spoolDir = spoolDirOf(flags)
    await spoolsIn(spoolDir)
    const reports: SpoolReport[] = []
    for await (const report of checkSpools(spoolDir)) reports.push(report)
    process.stdout.write(flags.json ? toJsonText(reports, 2) : checkTable(reports))
    // The last record of a spool that is being written may be seen half.
    if (reports.some(report => (!report.alive && report.badRegions > 0) || report.problems.length > 0))
      process.exitCode = 1
  })

command
  .command('replay')
  .description(
    'sends what the spools still hold to a sink again; PostgreSQL keeps one of each, a queue may get two',
  )
  .requiredOption('--sink <name>', 'postgres or rabbitmq')
  .option('--spool-dir <dir>', 'SLUICE_SPOOL_DIR')
  .option('--since <time>', 'a span such as 1h, or a date')
  .action(async (flags: { sink: string; spoolDir?: string; since?: string }) => {
    const sinceMs = flags.since === undefined ? 0 : readTime(flags.since, '--since', Date.now())
    const sink = sinkNamed(flags.sink)
    let sent = 0
    try {
      for (const { folder } of await spoolsIn(spoolDirOf(flags)))
        sent += await replaySpool(folder, sink, sinceMs)
    } catch (error) {
      throw new SluiceError('SLUICE_EVENTS_SINK', `${flags.sink}: ${messageOf(error)}`)
    } finally {
      await sink.close()
    }
    process.stdout.write(`sent ${sent} events to ${flags.sink}\n`)
  })

command
  .command('verify')
  .description('verifies the chains of events in PostgreSQL, and names what was deleted, altered or moved')
  .option('--writer <id>', 'only this writer')
  .option(
    '--checkpoints <file>',
    'log of the plugin server, or any JSON lines with writer, sequence and chain',
  )
  .option('--json', 'one JSON object a writer')
  .action(async (flags: { writer?: string; checkpoints?: string; json?: boolean }) => {
    let verified = 0
    let problems = 0
    let writers = 0
    const options = {
      ...(flags.writer !== undefined && { writer: flags.writer }),
      ...(flags.checkpoints !== undefined && { checkpoints: readCheckpoints(flags.checkpoints) }),
    }
    await withDatabase(async client => {
      for await (const report of verifyChains(client, options)) {
        writers++
        verified += report.verified
        problems += report.problems.length
        if (flags.json) process.stdout.write(toJsonText(report, 0))
        else for (const problem of report.problems) process.stdout.write(`${describeProblem(problem)}\n`)
      }
    })
    if (!flags.json)
      process.stdout.write(`${verified} events of ${writers} writers verified, ${problems} problems\n`)
    if (problems > 0) process.exitCode = 1
  })

command
  .command('types')
  .description('prints every type of event with the fields of its data, as Markdown')
  .option('--update <file>', 'puts it between the markers of this page instead')
  .action(async (flags: { update?: string }) => {
    const plugins = await loadShippedPlugins()
    const types = [...OWN_EVENTS, ...plugins.flatMap(plugin => plugin.events ?? [])]
    if (flags.update === undefined) process.stdout.write(describeEventTypes(types))
    else writeGivenFile('--update', flags.update, updated(flags.update, types))
  })

function updated(file: string, types: readonly EventType[]): string {
  const page = readGivenFile('--update', file)
  try {
    return updateReference(page, types)
  } catch (error) {
    throw new SluiceError('SLUICE_CLI_FILE', `--update: ${file}: ${messageOf(error)}`)
  }
}

const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
const byTime = (a: SluiceEvent, b: SluiceEvent) =>
  a.time < b.time ? -1 : a.time > b.time ? 1 : a.sequence - b.sequence

async function spoolsIn(spoolDir: string) {
  try {
    return await listSpools(spoolDir)
  } catch (error) {
    throw new SluiceError('SLUICE_SPOOL_FAILED', `cannot read the spool ${spoolDir}: ${messageOf(error)}`)
  }
}

function checkTable(reports: readonly SpoolReport[]): string {
  if (reports.length === 0) return 'no spools\n'
  const rows = reports.map(report => [
    report.writer,
    report.alive ? 'running' : 'ended',
    report.segments,
    report.bytes,
    report.records,
    report.badRegions === 0 ? '0' : `${report.badRegions} (${report.badBytes} bytes)`,
  ])
  const problems = reports.flatMap(report => report.problems.map(problem => `${describeProblem(problem)}\n`))
  return layOutTable(['WRITER', 'OWNER', 'SEGMENTS', 'BYTES', 'RECORDS', 'DAMAGED'], rows) + problems.join('')
}

function sinkNamed(name: string): Sink {
  const settings = readSettings()
  const log = createLogger('warn', 2)
  if (name === 'postgres' && settings.postgresUrl !== undefined)
    return createPostgresSink({ url: settings.postgresUrl, clock: systemClock, log })
  if (name === 'rabbitmq' && settings.amqpUrl !== undefined)
    return createRabbitSink({ url: settings.amqpUrl, log })
  throw name === 'postgres' || name === 'rabbitmq'
    ? new SluiceError('SLUICE_CONFIG_INVALID', `the URL of ${name} is not set`)
    : new SluiceError('SLUICE_CLI_USAGE', `--sink: ${JSON.stringify(name)} is neither postgres nor rabbitmq`)
}

/** Other lines, such as those of a log, are skipped. */
function readCheckpoints(file: string): Checkpoint[] {
  const found: Checkpoint[] = []
  for (const line of readGivenFile('--checkpoints', file).split('\n')) {
    try {
      const { writer, sequence, chain } = JSON.parse(line)
      if (/^[0-9a-f]{16}$/.test(writer) && Number.isInteger(sequence) && /^[0-9a-f]{64}$/.test(chain))
        found.push({ writer, sequence, chain })
    } catch {}
  }
  if (found.length === 0)
    throw new SluiceError('SLUICE_CLI_USAGE', `--checkpoints: ${file} contains no checkpoint`)
  return found
}
