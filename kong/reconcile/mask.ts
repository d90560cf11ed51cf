import { SluiceError } from '../../foundation/errors.ts'
import type { Field } from '../schema/field.ts'
import { isObject } from '../schema/spec.ts'
import type { Row } from './change.ts'
import { KINDS, type KindName } from './kinds.ts'
import type { Schemas } from './schemas.ts'

export const MASK = '[masked]'

/** Keeps secrets out of whatever is shown, logged or published. */
export interface Mask {
  /** The entity without the values of credentials, passwords and keys. */
  row(kind: KindName, row: Row): Row
  /** A text, such as an error of Kong, that may quote a secret. */
  text(text: string): string
}

/** Names of configuration fields that hold secrets although their schema does not say so. */
const SECRET_FIELD = /passw|secret|token|private_key|api_?key|credential/i

/** Whether a field of a configuration holds a secret. */
export const isSecretField = (name: string, field: Field | undefined): boolean =>
  field?.spec.encrypted === true || field?.spec.referenceable === true || SECRET_FIELD.test(name)

/** `UNIQUE violation detected on '{key="…"}'`: Kong quotes the value, however short. */
const QUOTED_SECRET = /\b(key|password|secret|client_id|client_secret)=("[^"]*"|\S+?(?=[,}]))/g

/**
 * @param fromEnvironment values that came from secret variables: masked wherever they stand.
 * @param rows entities whose secrets may be quoted in texts; asked when the first text comes.
 */
export function createMask(
  schemas: Schemas,
  fromEnvironment: readonly string[],
  rows: () => Iterable<{ readonly kind: KindName; readonly fields: Row }>,
): Mask {
  const inConfig = atLeast(3, fromEnvironment)
  // A short one may well be a name too: the key `eddie` of the consumer eddie.
  const anywhere = atLeast(8, fromEnvironment)
  let quoted: readonly string[] | undefined
  const maskValue = (value: unknown, field: Field | undefined, name: string): unknown => {
    if (value === null || value === undefined) return value
    if (Array.isArray(value)) return value.map(item => maskValue(item, field?.elements, name))
    if (isObject(value))
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          maskValue(item, field?.record?.fields.get(key) ?? field?.values, key),
        ]),
      )
    if (typeof value !== 'string') return value
    if (isSecretField(name, field) && !value.startsWith('{vault://')) return MASK
    return scrub(value, inConfig)
  }
  const secretsOf = ({ kind, fields }: { kind: KindName; fields: Row }): readonly string[] =>
    KINDS[kind].secrets.flatMap(name => (typeof fields[name] === 'string' ? [fields[name]] : []))
  return {
    row(kind, row) {
      const fields = schemas.of(kind)?.fieldsFor(row)
      return Object.fromEntries(
        Object.entries(row).map(([name, value]) => {
          const isWhole = KINDS[kind].secrets.includes(name) && value !== null
          if (isWhole) return [name, MASK]
          return [
            name,
            name === 'config' ? maskValue(value, fields?.get(name), name) : scrubAll(value, anywhere),
          ]
        }),
      )
    },
    text(text) {
      quoted ??= atLeast(8, [...fromEnvironment, ...[...rows()].flatMap(secretsOf)])
      return scrub(text, quoted).replace(QUOTED_SECRET, `$1=${MASK}`)
    },
  }
}

/** An error whose message, or whose problems, may quote a value of the file. */
export function maskError(error: unknown, fromEnvironment: readonly string[]): unknown {
  if (!(error instanceof SluiceError)) return error
  const secrets = atLeast(3, fromEnvironment)
  const message = scrub(error.message, secrets)
  if (message === error.message) return error
  return new SluiceError(error.code, message, {
    details: scrubAll(error.details, secrets) as Record<string, unknown>,
  })
}

/** The longest first, so that no part of one is left standing. */
const atLeast = (length: number, secrets: readonly string[]): readonly string[] =>
  [...new Set(secrets)].filter(secret => secret.length >= length).sort((a, b) => b.length - a.length)

function scrub(text: string, secrets: readonly string[]): string {
  let out = text
  for (const secret of secrets) if (out.includes(secret)) out = out.replaceAll(secret, MASK)
  return out
}

function scrubAll(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return scrub(value, secrets)
  if (Array.isArray(value)) return value.map(item => scrubAll(item, secrets))
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, scrubAll(item, secrets)]))
  return value
}
