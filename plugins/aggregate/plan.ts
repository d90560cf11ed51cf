/** A configuration that was checked: which part needs which, and what each asks for. */
import { SluiceError } from '../../sdk/sdk.ts'
import type { AggregateConfig, PartConfig } from './config.ts'
import { parseTemplate, partsIn, type Template } from './template.ts'

export interface PlannedPart {
  readonly name: string
  readonly template: Template
  /** Names of parts; none is behind this one. */
  readonly needs: readonly string[]
  readonly isOptional: boolean
  /** What stands for an optional part that failed. */
  readonly fallback: unknown
  readonly timeoutMs: number
  /** Fields, the outer first; empty: all of the answer. */
  readonly pick: readonly string[]
}

/** The name of a member of the answer that is none of its parts. */
const RESERVED = ['errors', 'query', 'capture']

/** @throws SluiceError SLUICE_PLUGIN_CONFIG that names the field. */
export function planParts({ parts, timeout_ms: timeoutMs }: AggregateConfig): readonly PlannedPart[] {
  const names = parts.map(({ name }) => name)
  const planned = parts.map((part, index) => planPart(part, `parts[${index}]`, names, timeoutMs))
  for (const [index, name] of names.entries()) {
    if (RESERVED.includes(name)) throw fault(`parts[${index}].name`, `${name} is reserved`)
    if (names.indexOf(name) !== index) throw fault(`parts[${index}].name`, `two parts are named ${name}`)
  }
  const circle = findCircle(planned)
  if (circle) throw fault(`parts[${names.indexOf(circle)}].needs`, `${circle} needs itself in the end`)
  return planned
}

function planPart(part: PartConfig, where: string, names: readonly string[], wholeMs: number): PlannedPart {
  const template = parseTemplate(part.path)
  if (typeof template === 'string') throw fault(`${where}.path`, template)
  if (!/^\/(?!\/)[^\s\\#]*$/.test(part.path))
    throw fault(`${where}.path`, "must be a path on Kong's proxy, without spaces, `\\` and `#`")
  const needs = [...new Set([...part.needs, ...partsIn(template)])]
  const unknown = needs.find(name => !names.includes(name))
  if (unknown !== undefined) throw fault(`${where}.needs`, `there is no part ${unknown}`)
  if (part.fallback !== undefined && !part.optional)
    throw fault(`${where}.fallback`, 'a part that is not optional has no fallback')
  if (part.timeout_ms > wholeMs)
    throw fault(`${where}.timeout_ms`, `is more than timeout_ms of the whole, ${wholeMs}`)
  return {
    name: part.name,
    template,
    needs,
    isOptional: part.optional,
    fallback: readFallback(part.fallback, `${where}.fallback`),
    timeoutMs: part.timeout_ms,
    pick: part.pick === undefined ? [] : part.pick.split('.'),
  }
}

function readFallback(text: string | undefined, where: string): unknown {
  if (text === undefined) return null
  try {
    return JSON.parse(text)
  } catch {
    throw fault(where, 'is not JSON')
  }
}

/** A part from which needs lead back to it. */
function findCircle(parts: readonly PlannedPart[]): string | undefined {
  const needs = new Map(parts.map(part => [part.name, part.needs]))
  const reach = (from: string, goal: string, seen: Set<string>): boolean =>
    (needs.get(from) ?? []).some(
      next => next === goal || (!seen.has(next) && reach(next, goal, seen.add(next))),
    )
  return parts.find(({ name }) => reach(name, name, new Set()))?.name
}

const fault = (field: string, what: string) => new SluiceError('SLUICE_PLUGIN_CONFIG', `${field}: ${what}`)
