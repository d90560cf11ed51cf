/**
 * Who waits for each step.
 *
 * @param before what a step waits for, in the terms in which the answer is asked: steps, or their numbers
 */
export function followersOf<Step, Key>(
  steps: readonly Step[],
  before: (step: Step) => Iterable<Key>,
): ReadonlyMap<Key, readonly Step[]> {
  const followers = new Map<Key, Step[]>()
  for (const step of steps)
    for (const key of before(step)) {
      const list = followers.get(key)
      if (list) list.push(step)
      else followers.set(key, [step])
    }
  return followers
}
