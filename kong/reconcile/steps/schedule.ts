import { followersOf } from '../followers.ts'
import type { Step } from './steps.ts'

export interface ScheduleOptions {
  /** Steps at once. */
  readonly concurrency: number
  /** Nothing more is started once this is true. */
  readonly isStopped: () => boolean
}

/** What `schedule` needs to know of a step. */
type Ordered = Pick<Step, 'seq' | 'after'>

/**
 * Runs steps, each after those that it waits for, some at once. Steps that are not in the list count as done.
 *
 * @throws what `work` throws first, when all that had started have ended; nothing more is started then.
 */
export async function schedule<T extends Ordered>(
  steps: readonly T[],
  options: ScheduleOptions,
  work: (step: T) => Promise<void>,
): Promise<void> {
  const own = new Set(steps.map(step => step.seq))
  const followers = followersOf(steps, ({ after }) => after)
  const waitingFor = new Map(steps.map(step => [step.seq, step.after.filter(seq => own.has(seq)).length]))
  const ready = steps.filter(step => waitingFor.get(step.seq) === 0)
  const errors: unknown[] = []
  let next = 0
  let active = 0
  await new Promise<void>(resolve => {
    const end = (step: T) => {
      active--
      for (const follower of followers.get(step.seq) ?? []) {
        const left = (waitingFor.get(follower.seq) ?? 0) - 1
        waitingFor.set(follower.seq, left)
        if (left === 0) ready.push(follower)
      }
      start()
    }
    const start = () => {
      while (active < options.concurrency && !options.isStopped() && errors.length === 0) {
        const step = ready[next]
        if (!step) break
        next++
        active++
        work(step)
          .catch((error: unknown) => errors.push(error))
          .finally(() => end(step))
      }
      if (active === 0) resolve()
    }
    start()
  })
  if (errors.length > 0) throw errors[0]
}

/** The same steps the other way round: what waited for a step now comes before it. */
export function reverse(steps: readonly Step[]): readonly Step[] {
  const own = new Set(steps.map(step => step.seq))
  const followers = followersOf(steps, ({ after }) => after)
  return steps
    .filter(step => own.has(step.seq))
    .map(step => ({ ...step, after: (followers.get(step.seq) ?? []).map(({ seq }) => seq) }))
    .sort((a, b) => b.seq - a.seq)
}
