/**
 * The settings that plugins declare for themselves. A plugin is handed these and no other: neither the server's
 * secrets nor those of another plugin.
 */

import { type Environment, readVariable } from '../../foundation/environment.ts'
import { messageOf } from '../../foundation/errors.ts'
import { inspectSettings, refuseSettings, type Settings } from '../../foundation/settings.ts'
import { unknownVariables } from '../../foundation/unknown-variables.ts'
import { membersOf } from '../../sdk/compose.ts'
import { readValue } from './configuration.ts'
import type { Schema } from './json-schema.ts'
import type { AnyPlugin } from './registry.ts'

type Values = Readonly<Record<string, unknown>>

interface Declared {
  readonly plugin: string
  readonly field: string
  readonly variable: string
  readonly schema: Schema
  readonly required: boolean
}

/**
 * All settings at once: the server's own, those of the plugins, and variables that belong to nobody.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID that names every wrong one with its reason.
 */
export function readServerSettings(env: Environment, definitions: readonly AnyPlugin[]): Settings {
  const { settings, problems } = inspectSettings(env)
  const declared = declaredBy(definitions)
  refuseSettings([
    ...problems,
    ...readDeclared(declared, env).problems,
    ...unknownVariables(
      env,
      declared.map(({ variable }) => variable),
    ),
  ])
  return settings
}

/**
 * The settings of each plugin, by its name; members of composed plugins have theirs.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
export function readPluginSettings(
  definitions: readonly AnyPlugin[],
  env: Environment,
): ReadonlyMap<string, Values> {
  const { values, problems } = readDeclared(declaredBy(definitions), env)
  refuseSettings(problems)
  return values
}

function declaredBy(definitions: readonly AnyPlugin[]): Declared[] {
  const all = definitions.flatMap(plugin => [plugin, ...membersOf(plugin).map(member => member.definition)])
  return [...new Set(all)].flatMap(({ name, settings }) => {
    const { properties = {}, required = [] } = (settings ?? {}) as Schema
    return Object.entries(properties).map(([field, schema]) => ({
      plugin: name,
      field,
      variable: typeof schema.env === 'string' ? schema.env : variableOf(name, field),
      schema,
      required: required.includes(field),
    }))
  })
}

/** `greeter`, `apiKey` → `SLUICE_GREETER_API_KEY` */
function variableOf(plugin: string, field: string): string {
  const words = `${plugin}_${field.replace(/[A-Z]/g, letter => `_${letter}`)}`
  return `SLUICE_${words.replaceAll('-', '_').toUpperCase()}`
}

function readDeclared(declared: readonly Declared[], env: Environment) {
  const values = new Map<string, Record<string, unknown>>()
  const problems: string[] = []
  for (const one of declared) {
    const ofPlugin = values.get(one.plugin) ?? {}
    values.set(one.plugin, ofPlugin)
    const value = readOne(one, env, problems)
    if (value !== undefined) ofPlugin[one.field] = value
  }
  return { values, problems }
}

function readOne(
  { plugin, variable, schema, required }: Declared,
  env: Environment,
  problems: string[],
): unknown {
  let text: string | undefined
  try {
    text = readVariable(env, variable)
  } catch (error) {
    problems.push(`${variable}: ${messageOf(error)}`)
    return undefined
  }
  if (text !== undefined) return readValue(schema, fromText(schema, text), variable, problems)
  if (schema.default === undefined && required)
    problems.push(`${variable}: is required by the plugin ${plugin}`)
  return structuredClone(schema.default)
}

/** What is no number or boolean stays a string, which the check then refuses. */
function fromText(schema: Schema, text: string): unknown {
  switch (schema.type) {
    case 'integer':
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
    case 'boolean':
      return { true: true, on: true, '1': true, false: false, off: false, '0': false }[text] ?? text
    case 'array':
      return text.split(',').map(item => fromText(schema.items ?? {}, item.trim()))
    default:
      return text
  }
}
