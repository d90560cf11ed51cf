/** `node dist/ops/local/up/up.js up|down|ps|logs|events|traces|env`: the platform on this machine, behind the targets of the Makefile. */
import { messageOf, SluiceError } from '../../../foundation/errors.ts'
import { platformFolder } from '../folders.ts'
import { env, events, logs, ps } from './inspect.ts'
import { lockHolder } from './lock.ts'
import { supervisorOf } from './members.ts'
import { up } from './start.ts'
import { readState } from './state.ts'
import { endPlatform } from './stop.ts'
import { traces } from './traces.ts'

// What is unpacked and built here is read by the services' user, whatever the umask of who types the command. Secrets
// have modes of their own.
process.umask(0o022)

// A reader such as `head` may leave before all is printed, and a terminal may be closed.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(0)
  throw error
})

type Print = (text: string) => void

const print: Print = text => {
  process.stdout.write(`${text}\n`)
}

async function down(): Promise<void> {
  const starting = await lockHolder('starting')
  if (starting !== undefined && !supervisorOf(readState()))
    throw new SluiceError(
      'SLUICE_PLATFORM_BUSY',
      `\`make up\` (process ${starting}) is fetching what it needs; nothing runs yet`,
    )
  const ended = await endPlatform()
  print(ended ? `everything has stopped; the data stays in ${platformFolder()}` : 'nothing is up')
}

const COMMANDS: Readonly<Record<string, (print: Print) => Promise<void> | void>> = {
  up,
  down,
  ps,
  logs,
  events,
  traces,
  env,
}

const command = COMMANDS[process.argv[2] ?? '']
try {
  if (!command) throw new SluiceError('SLUICE_CLI_USAGE', `one of ${Object.keys(COMMANDS).join(', ')}`)
  await command(print)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  if (error instanceof SluiceError) process.stderr.write(`  ${error.code}: ${error.remedy}\n`)
  process.exitCode = 1
}
