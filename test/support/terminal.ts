import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from './until.ts'

/** A program that runs on a terminal of its own, with a person's hands on it. */
export interface Terminal {
  /** All that it has shown so far. */
  screen(): string
  /** Waits until the text is shown behind what was shown when the last keys were typed. */
  shows(text: string): Promise<void>
  type(keys: string): void
  /** Resolves with its exit code, or minus the number of the signal that ended it. */
  ended(): Promise<number>
}

export const CTRL_C = '\x03'
export const CTRL_D = '\x04'

const PTY = 'import os,pty,sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])) & 255)'

/** Node.js can open no terminal; Python can. */
export function openTerminal(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const python = spawn('python3', ['-c', PTY, ...command], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const exit = once(python, 'exit')
  let output = ''
  let seen = 0
  python.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  return {
    screen: () => output,
    shows: text => until(`the terminal shows ${text}`, () => output.includes(text, seen)),
    type(keys) {
      seen = output.length
      python.stdin.write(keys)
    },
    async ended() {
      const [code] = (await exit) as [number]
      return code > 127 ? code - 256 : code
    },
  }
}
