import { accessSync, constants, existsSync } from 'node:fs'
import path from 'node:path'
import { readVariable } from '../../foundation/environment.ts'
import { messageOf } from '../../foundation/errors.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

const AREA = 'request log'
const ANSWER_WITHIN_MS = 5_000

/** Where request-log writes lines, and the collector that it sends spans to. */
export const checkRequestLog: Check = async ({ settings: { environment } }) => {
  const file = readVariable(environment, 'SLUICE_REQUEST_LOG_FILE')
  const url = readVariable(environment, 'SLUICE_OTLP_URL')
  return [
    file === undefined ? ok(AREA, 'lines go to standard output') : judgeFile(file),
    url === undefined ? ok(AREA, 'SLUICE_OTLP_URL is not set: no traces') : await askCollector(url),
  ]
}

function judgeFile(file: string): Finding {
  const whole = path.resolve(file)
  const place = existsSync(whole) ? whole : nearestFolder(path.dirname(whole))
  try {
    accessSync(place, constants.W_OK)
    return ok(AREA, `lines go to ${whole}`)
  } catch (error) {
    return fail(AREA, messageOf(error), 'Let the user of the plugin server write there.')
  }
}

function nearestFolder(folder: string): string {
  return existsSync(folder) ? folder : nearestFolder(path.dirname(folder))
}

/** Without spans: it must take an export of none. */
async function askCollector(base: string): Promise<Finding> {
  const url = `${base.replace(/\/(v1\/traces\/?)?$/, '')}/v1/traces`
  const remedy = 'Start the collector with an OTLP/HTTP receiver there, or correct SLUICE_OTLP_URL.'
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":[]}',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    if (answer.ok) return ok(AREA, 'the collector takes spans')
    if ([401, 403].includes(answer.status))
      return warn(AREA, `the collector asks who we are (${answer.status})`, 'Set SLUICE_OTLP_HEADERS.')
    return fail(AREA, `the collector answers ${answer.status}`, remedy)
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    return fail(AREA, `no collector: ${messageOf(cause ?? error)}`, remedy)
  }
}
