// Loaded by .mocharc.json, and by `runner/worker.ts` for its process: what the files of a process share ends behind the last.
const endings: (() => Promise<unknown>)[] = []

/** Runs the function behind the last test of this process, the latest first: what was built on others ends before them. */
export function atEnd(end: () => Promise<unknown>): void {
  endings.unshift(end)
}

/** @throws the first failure, behind all of them */
export async function mochaGlobalTeardown(): Promise<void> {
  const failures: unknown[] = []
  for (const end of endings.splice(0)) await end().catch(error => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
