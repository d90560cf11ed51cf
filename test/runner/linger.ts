/** How long the process may live on after its last test, before what keeps it alive is a failure. */
const LINGER_MS = 60_000

/**
 * A test that leaves something running would hold the process for ever, mostly one whose hook failed half-way: then what
 * it is, is told, and the process ends.
 */
export function endLingering(tell: (what: string) => void): void {
  setTimeout(() => {
    tell(process.getActiveResourcesInfo().join(', '))
    process.exit(1)
  }, LINGER_MS).unref()
}
