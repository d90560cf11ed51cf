import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SLUICE = fileURLToPath(new URL('../../cli/sluice.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `sluice` with these arguments and only this environment; standard input is the given text. */
export function runSluice(
  args: readonly string[],
  env: Record<string, string> = {},
  input = '',
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SLUICE, ...args], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
    // A command that does not read its input may be gone already.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
