import type { EventPipeline } from '../../events/pipeline.ts'
import { createEventPipeline } from '../../events/pipeline.ts'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { type ApplyOptions, type ApplyWatcher, applyChanges } from '../../kong/reconcile/apply.ts'
import type { Change } from '../../kong/reconcile/change.ts'
import { applyWhole } from '../../kong/reconcile/db-less.ts'
import type { Plan } from '../../kong/reconcile/plan.ts'
import { eventOf } from '../../kong/reconcile/record.ts'
import { planToJson, renderDeletions, renderHead, summaryLine } from '../../kong/reconcile/render.ts'
import { showNotes } from '../format/notes.ts'
import { createProgress, type Progress } from '../format/progress.ts'
import { integerFrom, retryParts } from '../wiring/admin.ts'
import { actorName, type StateFlags, stateCommand, withPlan } from '../wiring/declared-state.ts'

interface ApplyFlags extends StateFlags {
  readonly actor?: string
  readonly retryFor: number
  readonly undoFor: number
}

export const command = stateCommand()
  .option('--actor <name>', 'the actor in events (default: the user of the process)')
  .option(
    '--retry-for <seconds>',
    'how long a step is tried again while Kong is unavailable',
    integerFrom(0),
    30,
  )
  .option('--undo-for <seconds>', 'how long undoing waits for Kong to come back', integerFrom(0), 120)
  .addHelpText(
    'after',
    `
When a step fails for good, or on Ctrl-C, everything that was done is undone.
Exit status: 0 Kong holds what is declared, 1 an error.`,
  )
  .action(async (flags: ApplyFlags) => {
    const settings = readSettings()
    const log = createLogger(settings.logLevel === 'info' ? 'warn' : settings.logLevel, 2)
    const parts = { clock: systemClock, log, metrics: createMetrics(), random: Math.random }
    const events = createEventPipeline(settings, parts)
    const stop = new AbortController()
    const onSignal = () => {
      // A second Ctrl-C exits immediately, without undoing.
      if (stop.signal.aborted) process.exit(1)
      stop.abort()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    const { signal } = stop
    try {
      await withPlan(flags, (plan, client) => new Applying(client, plan, flags).run(events, signal), {
        signal,
      })
    } finally {
      await events.close()
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    }
  })

/** One apply: shows what happens, and publishes an event for each change. */
class Applying {
  readonly #client: AdminClient
  readonly #plan: Plan
  readonly #flags: ApplyFlags
  readonly #progress: Progress
  readonly #published: Promise<void>[] = []
  readonly #retried = new Set<Change>()

  constructor(client: AdminClient, plan: Plan, flags: ApplyFlags) {
    this.#client = client
    this.#plan = plan
    this.#flags = flags
    this.#progress = createProgress(plan.changes.length, process.stdout, flags.json ?? false)
  }

  async run(events: EventPipeline, signal: AbortSignal): Promise<void> {
    const plan = this.#plan
    const { json } = this.#flags
    showNotes(plan)
    // What will be deleted is named before anything is.
    const deletions = renderDeletions(plan).map(line => `${line}\n`)
    ;(json ? process.stderr : process.stdout).write(deletions.join(''))
    if (plan.changes.length > 0) {
      // Without changes no spool is opened either.
      await events.start()
      await this.#apply(this.#watcher(events), signal)
    }
    this.#progress.end()
    const text = json ? JSON.stringify(planToJson(plan), null, 2) : summaryLine(plan, true)
    process.stdout.write(`${text}\n`)
  }

  async #apply(watcher: ApplyWatcher, signal: AbortSignal): Promise<void> {
    const { parallel, retryFor, undoFor } = this.#flags
    const plan = this.#plan
    const options: ApplyOptions = {
      concurrency: parallel,
      retryForMs: retryFor * 1000,
      undoForMs: undoFor * 1000,
      signal,
      watcher,
      selectTags: plan.selectTags,
    }
    try {
      if (plan.current.isDbLess) await applyWhole(this.#client, plan, options, retryParts)
      else await applyChanges(this.#client, plan, options, retryParts)
    } catch (error) {
      this.#progress.end()
      // Kong's own message may quote a credential.
      if (error instanceof SluiceError)
        throw new SluiceError(error.code, plan.mask.text(error.message), { details: { ...error.details } })
      throw error
    } finally {
      await Promise.all(this.#published)
    }
  }

  #watcher({ publisher }: EventPipeline): ApplyWatcher {
    const { mask, selectTags } = this.#plan
    const actor = this.#flags.actor ?? actorName(process.env)
    const context = { actor, adminUrl: this.#client.url, selectTags, mask }
    const publish = (change: Change, isUndo: boolean) =>
      this.#published.push(publisher.publish(eventOf(change, context, isUndo)))
    const show = (change: Change) => renderHead(change, { isColoured: false })
    return {
      applied: change => {
        publish(change, false)
        this.#progress.step(show(change))
      },
      undone: change => {
        publish(change, true)
        this.#progress.note(`undone: ${change.label}`)
      },
      retrying: (change, error) => {
        // One line for each step that an outage holds up, not for each try.
        if (!this.#retried.has(change))
          this.#progress.note(`trying again: ${show(change)}: ${mask.text(messageOf(error))}`)
        this.#retried.add(change)
      },
    }
  }
}
