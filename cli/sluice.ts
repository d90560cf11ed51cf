#!/usr/bin/env node
/** The `sluice` command: finds the sub-command, loads only that one, and reports errors in one form. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import { deckCommand, deckOption } from './deck-words.ts'

interface Entry {
  readonly summary: string
  /** Loaded when it is needed: `sluice serve` must not pay for the gateway's modules. */
  readonly load: () => Promise<{ command: Command }>
  /** It goes on when nobody reads its output any more, since it serves, or changes what must not be left half done. */
  readonly outlivesReader?: true
}

/** One line a command; its file has the same name. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: {
    summary: 'runs the plugin server',
    load: () => import('./commands/serve.ts'),
    outlivesReader: true,
  },
  dump: {
    summary: "prints plugin information for Kong's query_cmd",
    load: () => import('./commands/dump.ts'),
  },
  gateway: {
    summary: 'runs the local gateway, which answers as Kong does, for tests',
    load: () => import('./commands/gateway.ts'),
    outlivesReader: true,
  },
  'kong-conf': {
    summary: 'prints the settings that make a Kong load the plugins',
    load: () => import('./commands/kong-conf.ts'),
  },
  plan: {
    summary: 'shows what `sluice apply` would change in Kong',
    load: () => import('./commands/plan.ts'),
  },
  validate: {
    summary: 'checks files offline, without a Kong',
    load: () => import('./commands/validate.ts'),
  },
  apply: {
    summary: 'makes Kong hold what files declare',
    load: () => import('./commands/apply.ts'),
    outlivesReader: true,
  },
  'dump-state': {
    summary: 'prints what Kong holds as a declared state',
    load: () => import('./commands/dump-state.ts'),
  },
  'state-schema': {
    summary: 'prints the JSON Schema of a declared state, for editors',
    load: () => import('./commands/state-schema.ts'),
  },
  doctor: {
    summary: 'diagnoses common setup problems and says how to fix them',
    load: () => import('./commands/doctor.ts'),
  },
  limits: {
    summary: 'shows, resets and changes the limits of a consumer',
    load: () => import('./commands/limits.ts'),
  },
  events: { summary: 'reads, verifies and re-sends events', load: () => import('./commands/events.ts') },
  audit: {
    summary: 'shows who used which key, when and with what outcome',
    load: () => import('./commands/audit.ts'),
  },
  fingerprint: {
    summary: 'computes the fingerprint of a key',
    load: () => import('./commands/fingerprint.ts'),
  },
  breaker: {
    summary: 'shows circuit breakers, opens and closes them',
    load: () => import('./commands/breaker.ts'),
  },
  token: {
    summary: 'rotates keys of upstream tokens, tells Kong those of others',
    load: () => import('./commands/token.ts'),
  },
  cache: {
    summary: 'purges stored answers of response-cache, and shows how it fares',
    load: () => import('./commands/cache.ts'),
  },
  discover: {
    summary: "keeps the targets of Kong's upstreams at what Consul says",
    load: () => import('./commands/discover.ts'),
    outlivesReader: true,
  },
  manager: {
    summary: 'runs the manager and its dashboard; operators and changes',
    load: () => import('./commands/manager.ts'),
    outlivesReader: true,
  },
  new: { summary: 'makes a plugin with its test', load: () => import('./commands/new.ts') },
}

function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map(name => name.length))
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'Usage: sluice <command> [options]',
    '',
    ...lines,
    '',
    'sluice <command> --help explains a command; sluice --version prints the version.',
    '',
  ].join('\n')
}

async function main(argv: readonly string[]): Promise<void> {
  const [name = 'help', ...rest] = argv
  if (name === '--version' || name === '-V') {
    process.stdout.write(`${readVersion()}\n`)
    return
  }
  if (name === 'help' || name === '--help' || name === '-h') return help(rest[0])
  await run(name, rest)
}

async function help(name: string | undefined): Promise<void> {
  if (name === undefined) process.stdout.write(usage())
  else await run(name, ['--help'])
}

async function run(name: string, args: readonly string[]): Promise<void> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  const meant = deckCommand(name, args)
  if (meant !== undefined) throw new SluiceError('SLUICE_CLI_USAGE', meant)
  if (!entry) throw await noCommand(name, Object.keys(COMMANDS))
  outlivesReader = entry.outlivesReader === true
  const { command } = await entry.load()
  const [word = '-'] = args
  const inner = ['help', ...command.commands.map(one => one.name())]
  if (inner.length > 1 && !word.startsWith('-') && !inner.includes(word))
    throw await noCommand(word, inner, name)
  const wrong = deckOption(name, command, args)
  if (wrong !== undefined) throw new SluiceError('SLUICE_CLI_USAGE', wrong)
  reportInOneForm(command)
  await command.name(`sluice ${name}`).description(entry.summary).parseAsync(args, { from: 'user' })
}

/** @param of the command that it would be beneath. */
async function noCommand(word: string, words: readonly string[], of?: string): Promise<SluiceError> {
  const { hint } = await import('../foundation/closest-name.ts')
  const what = JSON.stringify(of === undefined ? word : `${of} ${word}`)
  return new SluiceError('SLUICE_CLI_USAGE', `there is no command ${what}${hint(word, words)}`)
}

/** Errors of the command and of all beneath it. */
function reportInOneForm(command: Command): void {
  command.configureOutput({
    outputError: (text, write) => write(`sluice: ${text.replace(/^error: /, '')}`),
  })
  for (const inner of command.commands) reportInOneForm(inner)
}

/** Of this package: its file lies beside `dist/`. */
function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

let outlivesReader = false
// A reader such as `head` may leave before all is printed, and a disk may be full.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const isGone = error.code === 'EPIPE'
  if (!isGone) process.stderr.write(`sluice: cannot write to standard output: ${messageOf(error)}\n`)
  if (!outlivesReader) process.exit(isGone ? 0 : 1)
})
// There is nobody left to tell.
process.stderr.on('error', () => {})

main(process.argv.slice(2)).catch((error: unknown) => {
  const message = messageOf(error)
  // A plugin is named sluice, too.
  process.stderr.write(message.startsWith('sluice: ') ? `${message}\n` : `sluice: ${message}\n`)
  if (error instanceof SluiceError) process.stderr.write(`  ${error.code}: ${error.remedy}\n`)
  else if (error instanceof Error && error.stack) process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
