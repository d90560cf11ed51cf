import { followersOf, type Step } from './order.ts'

export interface RunOptions {
  /** Steps at once. */
  readonly concurrency: number
  /** Nothing more is started once this is true. */
  readonly isStopped: () => boolean
}

/**
 * Runs steps, each after those that it waits for, some at once. `work` handles its own failures: it must not reject.
 * Steps of earlier stages count as done.
 */
export async function runSteps(
  steps: readonly Step[],
  options: RunOptions,
  work: (step: Step) => Promise<void>,
): Promise<void> {
  const own = new Set(steps)
  const followers = followersOf(steps)
  const waitingFor = new Map(
    steps.map(step => [step, [...step.after].filter(before => own.has(before)).length]),
  )
  const ready = steps.filter(step => waitingFor.get(step) === 0)
  let next = 0
  let active = 0
  await new Promise<void>((resolve, reject) => {
    const start = () => {
      while (active < options.concurrency && next < ready.length && !options.isStopped()) {
        const step = ready[next++]!
        active++
        work(step).then(() => {
          active--
          for (const follower of followers.get(step) ?? []) {
            const left = waitingFor.get(follower)! - 1
            waitingFor.set(follower, left)
            if (left === 0) ready.push(follower)
          }
          start()
        }, reject)
      }
      if (active === 0) resolve()
    }
    start()
  })
}

/** The same steps the other way round: what was done last is undone first. */
export function reverse(done: readonly Step[]): readonly Step[] {
  const mirrored = new Map<Step, Step & { after: Set<Step> }>()
  for (const step of done) mirrored.set(step, { change: step.change, after: new Set() })
  for (const step of done)
    for (const before of step.after) mirrored.get(before)?.after.add(mirrored.get(step)!)
  return [...mirrored.values()].reverse()
}
