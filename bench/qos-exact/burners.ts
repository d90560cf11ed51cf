import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A burner that nobody ended ends by itself. */
const LONGEST_MS = 120_000

const BURN = `const end = performance.now() + ${LONGEST_MS}; while (performance.now() < end);`

/** Keeps processes busy that do nothing but use CPU time. Resolves with what ends them. */
export async function burn(count: number): Promise<() => Promise<void>> {
  const burners = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', BURN], { stdio: 'ignore' }),
  )
  await Promise.all(burners.map(burner => once(burner, 'spawn')))
  return async () => {
    await Promise.all(
      burners.map(async burner => {
        if (burner.exitCode !== null) return
        burner.kill('SIGKILL')
        await once(burner, 'exit')
      }),
    )
  }
}
