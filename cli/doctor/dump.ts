import { execFile } from 'node:child_process'
import { type Check, type Finding, fail, ok } from './check.ts'

/** Kong starts only if the query_cmd prints JSON and nothing else. */
export const checkDump: Check = async ({ dumpCommand, plugins }) => {
  const [program = '', ...args] = dumpCommand
  const { stdout, stderr, code } = await run(program, args)
  if (code !== 0)
    return [
      fail(
        'dump',
        `\`${dumpCommand.join(' ')}\` ended with ${code}: ${lastLine(stderr)}`,
        'Correct what it says.',
      ),
    ]
  return [
    judgeDump(
      stdout,
      plugins.map(plugin => plugin.name),
    ),
  ]
}

/** @param stdout all that the command printed there. */
export function judgeDump(stdout: string, names: readonly string[]): Finding {
  let dump: { Plugins?: { Name?: string }[] }
  try {
    dump = JSON.parse(stdout)
  } catch {
    const stray = stdout.slice(0, Math.max(0, stdout.indexOf('{'))).trim()
    return fail(
      'dump',
      `stdout is not pure JSON${stray === '' ? '' : `: it begins with ${JSON.stringify(stray.slice(0, 60))}`}`,
      'A plugin prints on stdout when it is loaded (console.log); make it use the logger. Kong would not start.',
    )
  }
  const found = (dump.Plugins ?? []).map(plugin => plugin.Name)
  const missing = names.filter(name => !found.includes(name))
  if (missing.length > 0)
    return fail('dump', `it lacks ${missing.join(', ')}`, 'Give the doctor the same --plugins as the server.')
  return ok('dump', `pure JSON, with ${found.join(', ')}`)
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? ''

function run(
  program: string,
  args: readonly string[],
): Promise<{ stdout: string; stderr: string; code: number }> {
  return new Promise(resolve => {
    execFile(program, [...args], { maxBuffer: 1 << 26, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, code: error ? Number(error.code) || 1 : 0 })
    })
  })
}
