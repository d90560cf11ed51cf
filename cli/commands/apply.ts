import type { EventPipeline } from '../../events/pipeline.ts'
import { createEventPipeline } from '../../events/pipeline.ts'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { type ApplyWatcher, applyChanges } from '../../kong/reconcile/apply.ts'
import type { Change } from '../../kong/reconcile/change.ts'
import { applyWhole } from '../../kong/reconcile/db-less.ts'
import type { Source } from '../../kong/reconcile/files/source.ts'
import type { Plan } from '../../kong/reconcile/plan.ts'
import { eventOf } from '../../kong/reconcile/record.ts'
import { planToJson, renderDeletions, renderHead, summaryLine } from '../../kong/reconcile/render.ts'
import { createProgress, type Progress } from '../format/progress.ts'
import {
  actorName,
  type FileFlags,
  fileCommand,
  planFiles,
  readSources,
  retryParts,
  wholeNumber,
  withKong,
} from '../wiring/declared-state.ts'

interface ApplyFlags extends FileFlags {
  readonly actor?: string
  readonly retryFor: string
  readonly undoFor: string
}

export const command = fileCommand()
  .option('--actor <name>', 'who stands in the events; the user of the process where it is left out')
  .option('--retry-for <seconds>', 'how long a step goes on trying while Kong is away', '30')
  .option('--undo-for <seconds>', 'how long undoing waits for Kong to come back', '120')
  .action(async (flags: ApplyFlags) => {
    const settings = readSettings()
    const log = createLogger(settings.logLevel === 'info' ? 'warn' : settings.logLevel, 2)
    const sources = await readSources(flags.file)
    const events = createEventPipeline(settings, {
      clock: systemClock,
      log,
      metrics: createMetrics(),
      random: Math.random,
    })
    const stop = new AbortController()
    const onSignal = () => {
      // Asked twice, it goes at once, and leaves what was done.
      if (stop.signal.aborted) process.exit(1)
      stop.abort()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    try {
      await withKong(flags, client => apply(client, sources, flags, events, stop.signal), stop.signal)
    } finally {
      await events.close()
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    }
  })

async function apply(
  client: AdminClient,
  sources: readonly Source[],
  flags: ApplyFlags,
  events: EventPipeline,
  signal: AbortSignal,
): Promise<void> {
  const plan = await planFiles(client, sources, flags)
  for (const warning of plan.warnings) process.stderr.write(`warning: ${warning}\n`)
  // What goes is named before anything goes.
  const deletions = renderDeletions(plan).map(line => `${line}\n`)
  ;(flags.json ? process.stderr : process.stdout).write(deletions.join(''))
  const progress = createProgress(plan.changes.length, process.stdout, flags.json ?? false)
  if (plan.changes.length > 0) {
    // Without changes no spool is opened either.
    await events.start()
    await applyPlan(client, plan, flags, events, progress, signal)
  }
  progress.end()
  process.stdout.write(
    flags.json ? `${JSON.stringify(planToJson(plan), null, 2)}\n` : `${summaryLine(plan, true)}\n`,
  )
}

async function applyPlan(
  client: AdminClient,
  plan: Plan,
  flags: ApplyFlags,
  events: EventPipeline,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const context = {
    actor: flags.actor ?? actorName(process.env),
    adminUrl: client.url,
    selectTags: plan.selectTags,
    mask: plan.mask,
  }
  const published: Promise<void>[] = []
  const publish = (change: Change, isUndo: boolean) =>
    published.push(events.publisher.publish(eventOf(change, context, isUndo)))
  const show = (change: Change) => renderHead(change, { isColoured: false })
  const retried = new Set<Change>()
  const watcher: ApplyWatcher = {
    applied(change) {
      publish(change, false)
      progress.step(show(change))
    },
    undone(change) {
      publish(change, true)
      progress.note(`undone: ${change.label}`)
    },
    retrying(change, error) {
      // An outage is told once for each step that it holds up, not at each try.
      if (!retried.has(change))
        progress.note(`trying again: ${show(change)}: ${plan.mask.text(messageOf(error))}`)
      retried.add(change)
    },
  }
  try {
    const options = {
      concurrency: wholeNumber('--parallel', flags.parallel, 1),
      retryForMs: wholeNumber('--retry-for', flags.retryFor, 0) * 1000,
      undoForMs: wholeNumber('--undo-for', flags.undoFor, 0) * 1000,
      signal,
      watcher,
      selectTags: plan.selectTags,
    }
    if (plan.current.isDbLess) await applyWhole(client, plan, options, retryParts)
    else await applyChanges(client, plan, options, retryParts)
  } catch (error) {
    progress.end()
    // Kong's own message may quote a credential.
    if (error instanceof SluiceError)
      throw new SluiceError(error.code, plan.mask.text(error.message), { details: { ...error.details } })
    throw error
  } finally {
    await Promise.all(published)
  }
}
