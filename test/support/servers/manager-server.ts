/** A manager in a process of its own, which kills or stops itself at a fault point when it is told to. */
import { createLogger } from '../../../foundation/log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import type { Timing } from '../../../management/changes/timing.ts'
import { startManager } from '../../../management/manager.ts'
import type { FromManager, ToManager } from '../manager-process.ts'

const tell = (message: FromManager) => process.send?.(message)
let left = Number.POSITIVE_INFINITY
let signal: NodeJS.Signals = 'SIGKILL'
let isRecording = false

process.on('message', (message: ToManager) => {
  if ('arm' in message) {
    left = message.arm
    signal = message.signal
  }
  if ('record' in message) isRecording = message.record
  tell({ done: true })
})

const settings = readSettings()
const manager = await startManager(settings, {
  log: createLogger(settings.logLevel, 2),
  timing: JSON.parse(process.env.SLUICE_TEST_TIMING ?? '') as Timing,
  fault(name) {
    if (isRecording) tell({ hit: name })
    left--
    if (left !== 0) return
    left = Number.POSITIVE_INFINITY
    // Written at once, before the signal comes.
    tell({ signalled: name })
    process.kill(process.pid, signal)
  },
})
tell({ url: manager.url })
process.on('SIGTERM', () => void manager.close().then(() => process.exit(0)))
