import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { deckCommand, deckOption } from '../../cli/deck-words.ts'

const SLUICE = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')
const sluice = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SLUICE, ...args], { encoding: 'utf8' })
  return { status, out: stdout, err: stderr }
}

describe('a word of decK', () => {
  it('is answered with the word here, for commands', () => {
    assert.match(
      sluice('sync', '-s', 'kong.yaml').err,
      /^sluice: there is no command "sync": .*`sluice apply` here\n/,
    )
    assert.match(deckCommand('diff', []) ?? '', /`sluice plan`/)
    assert.match(deckCommand('gateway', ['sync', 'kong.yaml']) ?? '', /"gateway sync": .*`sluice apply`/)
    assert.match(deckCommand('gateway', ['dump']) ?? '', /"gateway dump": .*`sluice dump-state`/)
    for (const ours of ['dump', 'validate', 'apply', 'toString'])
      assert.equal(deckCommand(ours, []), undefined)
    for (const rest of [[], ['--watch', 'sync']]) assert.equal(deckCommand('gateway', rest), undefined)
  })

  it('is answered with the word here, for options', () => {
    assert.match(
      sluice('apply', '-s', 'kong.yaml').err,
      /^sluice: unknown option '-s': decK's -s is -f here\n {2}SLUICE_CLI_USAGE/,
    )
    const command = new Command().option('-f, --file <path>').option('-s, --since <time>')
    const meant = (...args: string[]) => deckOption('plan', command, args)
    assert.match(
      meant('-f', 'x', '--kong-addr=http://kong:8001') ?? '',
      /'--kong-addr': .* is --admin-url here/,
    )
    assert.match(meant('--workspace', 'team') ?? '', /Kong Enterprise/)
    assert.equal(meant('-f', 'x', '-s', '1h'), undefined)
    assert.equal(deckOption('events', new Command(), ['-s']), undefined)
    assert.match(deckOption('dump', command, ['-o', 'kong.yaml']) ?? '', /`sluice dump-state`/)
  })
})

describe('the sluice command', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    assert.deepEqual(sluice('--version'), { status: 0, out: `${version}\n`, err: '' })
  })

  it('says in one line that standard output cannot be written', () => {
    const full = openSync('/dev/full', 'w')
    for (const args of [['dump'], ['events', 'types'], ['state-schema']]) {
      const { status, stderr } = spawnSync(process.execPath, [SLUICE, ...args], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      })
      assert.match(stderr, /^sluice: cannot write to standard output: ENOSPC[^\n]*\n$/)
      assert.equal(status, 1)
    }
    closeSync(full)
  })

  it('explains a command in two ways', () => {
    const { status, out } = sluice('help', 'plan')
    assert.equal(status, 0)
    assert.match(out, /^Usage: sluice plan \[options\]/)
    assert.equal(sluice('plan', '--help').out, out)
  })

  it('explains each command within the 80 columns of a terminal', async () => {
    const folder = path.resolve(import.meta.dirname, '..', '..', 'cli', 'commands')
    const files = readdirSync(folder).filter(name => name.endsWith('.js'))
    let explained = ''
    const explain = (command: Command) => {
      command.configureOutput({
        getOutHelpWidth: () => 80,
        writeOut: text => {
          explained += text
        },
      })
      command.outputHelp()
      for (const inner of command.commands) explain(inner)
    }
    for (const file of files) {
      const { command } = (await import(path.join(folder, file))) as { command?: Command }
      if (command) explain(command.name(`sluice ${path.basename(file, '.js')}`))
    }
    assert.ok(explained.split('Usage: ').length > 40, explained)
    const lines = `${explained}${sluice('--help').out}`.split('\n')
    assert.deepEqual(
      lines.filter(line => line.length > 80),
      [],
    )
  })

  it('reports what it does not understand in one form, with what may be meant', () => {
    assert.deepEqual(sluice('pln'), {
      status: 1,
      out: '',
      err: 'sluice: there is no command "pln"; did you mean plan?\n  SLUICE_CLI_USAGE: Run `sluice help` for the commands and their options.\n',
    })
    assert.match(sluice('plan').err, /^sluice: required option '-f, --file <path>' not specified\n$/)
    assert.match(
      sluice('plan', '-f', 'x', '--parallel', '0').err,
      /^sluice: option '--parallel <n>' argument '0' is invalid\. it must be an integer of at least 1\.\n$/,
    )
    for (const [command, typed, meant] of [
      ['manager', 'oprator', 'operator'],
      ['events', 'tial', 'tail'],
    ] as const)
      assert.match(
        sluice(command, typed).err,
        new RegExp(`^sluice: there is no command "${command} ${typed}"; did you mean ${meant}\\?\\n`),
      )
    for (const [command, ...more] of [['doctor'], ['discover', '--once']] as const)
      assert.match(
        sluice(command, ...more, '--http', 'nowhere').err,
        /^sluice: --http: "nowhere" is not HOST:PORT\n {2}SLUICE_CLI_USAGE: [^\n]*\n$/,
      )
    assert.equal(sluice('manager', 'change', 'show').err, "sluice: missing required argument 'id'\n")
    for (const tag of ['', 'a,b'])
      assert.match(sluice('plan', '-f', 'x', '--select-tag', tag).err, /^sluice: option '--select-tag <tag>'/)
  })
})
