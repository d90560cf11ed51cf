import { hostname } from 'node:os'
import path from 'node:path'
import { type Environment, readVariable } from './environment.ts'
import { messageOf, SluiceError } from './errors.ts'
import { SETTINGS, type SettingSpec } from './settings-table.ts'
import { misspeltVariables } from './unknown-variables.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** What a variable of each kind holds. */
interface Held {
  text: string
  url: string
  urls: readonly string[]
  path: string
  integer: number
  address: Address
  level: string
  flag: boolean
  choice: string
}

type ValueOf<Spec extends SettingSpec> = Spec extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Held[Spec['kind']]

/** Undefined where it is unset without a default, and where an address is `off`. */
type Read<Spec extends SettingSpec> = Spec extends { default: undefined } | { kind: 'address' }
  ? ValueOf<Spec> | undefined
  : ValueOf<Spec>

type Values = { readonly [Name in keyof typeof SETTINGS]: Read<(typeof SETTINGS)[Name]> }

/** The validated settings. Paths are absolute. */
export interface Settings extends Omit<Values, 'node'> {
  readonly node: string
  /** All variables of Sluice as they were read: plugins declare settings of their own. Holds secrets. */
  readonly environment: Environment
}

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/**
 * Reads and validates all settings at once.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID that names every wrong setting with its reason.
 */
export function readSettings(env: Environment = process.env): Settings {
  const { settings, problems } = inspectSettings(env)
  refuseSettings([...problems, ...misspeltVariables(env)])
  return settings
}

/** @throws SluiceError SLUICE_CONFIG_INVALID where there is a problem */
export function refuseSettings(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `invalid settings:\n  ${problems.join('\n  ')}`, {
      details: { problems },
    })
}

/** The settings with what is wrong in them; a wrong one is undefined. */
export function inspectSettings(env: Environment): {
  readonly settings: Settings
  readonly problems: readonly string[]
} {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries<SettingSpec>(SETTINGS)) {
    try {
      const text = readVariable(env, spec.env)
      values[name] = parse(spec, text === undefined ? spec.default : text)
    } catch (error) {
      problems.push(`${spec.env}: ${messageOf(error)}`)
    }
  }
  const environment = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('SLUICE_')))
  const settings = { ...values, node: values.node ?? hostname(), environment } as Settings
  return { settings, problems }
}

function parse(spec: SettingSpec, value: string | number | boolean | undefined): unknown {
  if (value === undefined) return undefined
  const text = String(value)
  const shown = spec.secret ? '(hidden)' : JSON.stringify(text)
  switch (spec.kind) {
    case 'text':
      if (text.length < (spec.minLength ?? 0)) throw new Error(`has fewer than ${spec.minLength} characters`)
      return text
    case 'path':
      return path.resolve(text)
    case 'flag':
      if (!['true', 'false', '1', '0', 'on', 'off'].includes(text))
        throw new Error(`${shown} is not a boolean (true, false, on, off, 1, 0)`)
      return ['true', '1', 'on'].includes(text)
    case 'choice':
      if (!spec.choices?.includes(text)) throw new Error(`${shown} is not one of ${spec.choices?.join(', ')}`)
      return text
    case 'level':
      if (!LEVELS.includes(text)) throw new Error(`${shown} is not one of ${LEVELS.join(', ')}`)
      return text
    case 'integer': {
      const number = Number(text)
      if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new Error(`${shown} is not an integer`)
      if (number < (spec.min ?? 0)) throw new Error(`${shown} is below ${spec.min ?? 0}`)
      if (spec.max !== undefined && number > spec.max) throw new Error(`${shown} is above ${spec.max}`)
      return number
    }
    case 'url':
      return checkUrl(spec, text)
    case 'urls':
      return text.split(',').map(part => checkUrl(spec, part.trim()))
    case 'address':
      return text === 'off' ? undefined : parseAddress(text)
  }
}

function checkUrl(spec: SettingSpec, text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new Error('is not a URL')
  }
  const scheme = url.protocol.slice(0, -1)
  if (spec.schemes && !spec.schemes.includes(scheme))
    throw new Error(`has the scheme ${scheme}://, not ${spec.schemes.map(s => `${s}://`).join(' or ')}`)
  return text
}

/** Parses `HOST:PORT`; an IPv6 host stands in brackets. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) throw new Error(`${JSON.stringify(text)} is not HOST:PORT`)
  return { host: match[1] ?? match[2] ?? '', port }
}
