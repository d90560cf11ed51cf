/** Words of decK, whose files we read, and what they are called here. */
import type { Command } from 'commander'

const COMMANDS: Readonly<Record<string, string>> = {
  sync: '`sluice apply`',
  diff: '`sluice plan`',
  ping: '`sluice doctor`',
  reset: '`sluice apply` of files that declare nothing',
}

/** The commands of ours that take options of decK's. */
const SIBLINGS: readonly string[] = ['apply', 'plan', 'validate', 'dump-state']

const KONNECT = 'is for Kong Konnect; this is for a Kong of your own'
const WORKSPACE = 'is for Kong Enterprise: open-source Kong has one workspace, so leave it out'
const TOKEN = 'is --header kong-admin-token:TOKEN here'

const OPTIONS: Readonly<Record<string, string>> = {
  '-s': 'is -f here',
  '--state': 'is --file here',
  '-w': WORKSPACE,
  '--workspace': WORKSPACE,
  '--all-workspaces': WORKSPACE,
  '--kong-addr': 'is --admin-url here',
  '--headers': 'is --header here',
  '--kong-admin-token': TOKEN,
  '--ca-cert-file': 'is --ca-cert here',
  '--tls-client-cert-file': 'is --cert here',
  '--tls-client-key-file': 'is --key here',
  '--parallelism': 'is --parallel here',
  '--json-output': 'is --json here',
  '--output-file': 'is --output here',
  '--no-color': 'is the environment variable NO_COLOR=1 here',
  '--yes': 'is not needed: nothing is asked',
  '--konnect-addr': KONNECT,
  '--konnect-control-plane-name': KONNECT,
  '--konnect-token': KONNECT,
}

/** Those whose name alone means something else here, or nothing: `deck gateway dump`. */
const GATEWAY_COMMANDS: Readonly<Record<string, string>> = {
  ...COMMANDS,
  dump: '`sluice dump-state`',
  validate: '`sluice validate`, or `sluice plan` with the schemas of a running Kong',
}

/** What to call instead of decK's command; undefined for what is none of its. */
export function deckCommand(name: string, rest: readonly string[]): string | undefined {
  const [words, said, word] =
    name === 'gateway' ? [GATEWAY_COMMANDS, `gateway ${rest[0]}`, rest[0] ?? ''] : [COMMANDS, name, name]
  if (!Object.hasOwn(words, word)) return undefined
  return `there is no command ${JSON.stringify(said)}: what decK calls so is ${words[word]} here`
}

/** Names the first option that is decK's and not ours; undefined where there is none. */
export function deckOption(name: string, command: Command, args: readonly string[]): string | undefined {
  if (name === 'dump' && args.some(arg => ['-o', '--output-file', '--kong-addr'].includes(arg)))
    return '`sluice dump` prints plugins for Kong; what decK calls dump is `sluice dump-state`'
  if (!SIBLINGS.includes(name)) return undefined
  for (const arg of args) {
    const [option = ''] = arg.split('=', 1)
    const isOurs = command.options.some(({ short, long }) => option === short || option === long)
    if (!isOurs && Object.hasOwn(OPTIONS, option))
      return `unknown option '${option}': decK's ${option} ${OPTIONS[option]}`
  }
  return undefined
}
