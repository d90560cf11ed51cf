/** What of the platform a person may choose by the environment. */

import { hint } from '../../../foundation/closest-name.ts'
import type { Environment } from '../../../foundation/environment.ts'
import { MARK } from '../child-guard.ts'
import { TUTORIAL } from './credentials.ts'

/** SLUICE_UP_SAMPLES=off leaves out users, products and what they alone need. */
export const wantsSamples = (env: Environment = process.env) => env.SLUICE_UP_SAMPLES !== 'off'

/** SLUICE_UP_OBSERVE=on adds Prometheus. */
export const wantsPrometheus = (env: Environment = process.env) => env.SLUICE_UP_OBSERVE === 'on'

const SWITCHES = ['SLUICE_UP_SAMPLES', 'SLUICE_UP_OBSERVE']

/** What is wrong with the variables of `make up` that are no ports: a switch that is neither on nor off, a typing error. */
export function choiceProblems(env: Environment, portVariables: readonly string[]): string[] {
  const known = [...portVariables, ...SWITCHES, ...Object.keys(TUTORIAL), 'SLUICE_UP_FOLDER', MARK]
  const wrong = SWITCHES.filter(name => !['', 'on', 'off'].includes(env[name] ?? '')).map(
    name => `${name}: ${env[name]} is neither on nor off`,
  )
  const unknown = Object.keys(env).filter(name => name.startsWith('SLUICE_UP_') && !known.includes(name))
  return [...wrong, ...unknown.map(name => `${name}: is not a setting of \`make up\`${hint(name, known)}`)]
}
