import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SchemaSpec } from '../schema/spec.ts'

/** The schemas as the Admin API of a Kong 3.9.3 published them: the one source of fields, defaults and limits. */
const FOLDER = new URL('./recorded/', import.meta.url)

export type RecordedKind = 'entities' | 'vaults'

/** The body of `GET /schemas/<name>` or `/schemas/vaults/<name>`. */
export function recordedSchema(kind: RecordedKind, name: string): SchemaSpec {
  return { name, ...JSON.parse(readFileSync(new URL(`${kind}/${name}.json`, FOLDER), 'utf8')) }
}

export const recordedNames = (kind: RecordedKind): readonly string[] =>
  readdirSync(new URL(kind, FOLDER)).map(file => path.parse(file).name)
