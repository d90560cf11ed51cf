/**
 * Requests at once where their order does not matter. Fewer than a client's connections: the time of a request runs
 * while it waits for one.
 */
export const AT_ONCE = 8

/**
 * Does `work` for all items, `AT_ONCE` at a time.
 *
 * @returns the results in the order of the items.
 * @throws what `work` throws first; nothing more is started then.
 */
export async function mapAtOnce<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = []
  const rest = [...items].entries()
  let hasFailed = false
  const worker = async () => {
    for (const [i, item] of rest) {
      if (hasFailed) return
      try {
        results[i] = await work(item)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}
