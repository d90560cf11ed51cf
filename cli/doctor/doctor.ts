import type { Check } from './check.ts'
import { checkDump } from './dump.ts'
import { checkEntries } from './entries.ts'
import { checkPostgres, checkRabbit, checkSpool } from './events.ts'
import { checkKong } from './kong.ts'
import { checkMachine } from './machine.ts'
import { checkSocket } from './socket.ts'
import { checkRedis } from './stores.ts'

/** All that the doctor looks at, in the order in which it tells. */
export const CHECKS: Readonly<Record<string, Check>> = {
  machine: checkMachine,
  dump: checkDump,
  socket: checkSocket,
  kong: checkKong,
  entries: checkEntries,
  redis: checkRedis,
  spool: checkSpool,
  postgresql: checkPostgres,
  rabbitmq: checkRabbit,
}
