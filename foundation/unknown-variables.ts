import { hint } from './closest-name.ts'
import type { Environment } from './environment.ts'
import { SETTINGS } from './settings-table.ts'

/** Variables of the bootstrap, of `make` and of the tests, which the plugin server ignores. */
const OUTSIDE_SETTINGS = /^SLUICE_(YES$|TEST_|UP_|BENCH_|BUILD_|BIND$|ADMIN_|CONSUL_URL$|CHROMIUM$)/

/**
 * Variables that are no setting: a misspelt one would silently leave its default in force.
 *
 * @param declared the variables of the plugins' own settings.
 */
export function unknownVariables(env: Environment, declared: readonly string[]): string[] {
  const known = new Set([...VARIABLES, ...declared, ...declared.map(name => `${name}_FILE`)])
  return strangers(env)
    .filter(name => !known.has(name))
    .map(name => `${name}: is not a setting of Sluice or of a loaded plugin${suggestion(name, [...known])}`)
}

/** Where the plugins are not known, a variable may be one of theirs, unless it is almost one of ours. */
export function misspeltVariables(env: Environment): string[] {
  return strangers(env)
    .map(name => ({ name, meant: suggestion(name, VARIABLES) }))
    .filter(({ meant }) => meant !== '')
    .map(({ name, meant }) => `${name}: is not a setting of Sluice${meant}`)
}

const VARIABLES: readonly string[] = Object.values(SETTINGS).flatMap(({ env }) => [env, `${env}_FILE`])

const strangers = (env: Environment): string[] =>
  Object.keys(env).filter(
    name => name.startsWith('SLUICE_') && !VARIABLES.includes(name) && !OUTSIDE_SETTINGS.test(name),
  )

/** Names of variables are long: more wrong characters would be another's. */
const suggestion = (name: string, known: readonly string[]): string => hint(name, known, 2)
