import { isIPv6 } from 'node:net'
import { ipv6Groups } from '../../foundation/ipv6.ts'
import type { FieldSpec, SchemaSpec } from '../schema/spec.ts'
import { entryOf, isObject } from '../schema/spec.ts'

type Row = Readonly<Record<string, unknown>>

/** Ports that go with a scheme when a URL names none (Kong's `url` shorthand of services). */
const PORTS: Readonly<Record<string, number>> = {
  http: 80,
  grpc: 80,
  https: 443,
  grpcs: 443,
  tls: 443,
  tls_passthrough: 443,
}

/**
 * `url: http://host:port/path` of a service as the fields that it stands for; nothing when it is no URL.
 * Kong's published schema does not mention this shorthand.
 */
export function expandUrl(url: string): Row | undefined {
  const match = /^([a-z_]+):\/\/(\[[^\]]+\]|[^/:?#@]+)(?::(\d+))?(\/[^?#]*)?$/i.exec(url)
  if (!match) return undefined
  const protocol = match[1]!.toLowerCase()
  const port = match[3] === undefined ? PORTS[protocol] : Number(match[3])
  return { protocol, host: match[2]!, ...(port !== undefined && { port }), path: match[4] ?? null }
}

/** A target's address in the form that Kong stores: with a port, IPv6 written out in brackets. */
export function formatTarget(text: string): string {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text)
  const host = isIPv6(text) ? text : (match?.[1] ?? text).replace(/^\[|\]$/g, '')
  const port = isIPv6(text) ? undefined : match?.[2]
  if (!isIPv6(text) && !match) return text
  return `${isIPv6(host) ? `[${writtenOut(host)}]` : host}:${port ?? 8000}`
}

const writtenOut = (address: string): string =>
  ipv6Groups(address)
    .map(group => group.toString(16).padStart(4, '0'))
    .join(':')

interface Replacement {
  readonly replaced_with?: readonly { readonly path: readonly string[] }[]
}

/**
 * Moves values from the deprecated fields of a plugin's configuration (`redis_host`) to those that replace them
 * (`redis.host`), where nothing stands there yet. Kong still reports the deprecated ones, which made earlier tools
 * see differences that are none.
 */
export function replaceDeprecated(config: Row, spec: FieldSpec | SchemaSpec): Row {
  const out: Record<string, unknown> = { ...config }
  for (const shorthand of spec.shorthand_fields ?? []) {
    const [name, shorthandSpec] = entryOf(shorthand)
    if (!(name in out)) continue
    const value = out[name]
    const targets = (shorthandSpec as { deprecation?: Replacement }).deprecation?.replaced_with ?? []
    delete out[name]
    for (const { path } of targets) putIfAbsent(out, path, value)
  }
  for (const field of spec.fields ?? []) {
    const [name, fieldSpec] = entryOf(field)
    if (fieldSpec.type === 'record' && isObject(out[name]))
      out[name] = replaceDeprecated(out[name], fieldSpec)
  }
  return out
}

function putIfAbsent(out: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path
  if (first === undefined) return
  if (rest.length === 0) out[first] ??= value
  else {
    const inner: Record<string, unknown> = isObject(out[first]) ? { ...out[first] } : {}
    putIfAbsent(inner, rest, value)
    out[first] = inner
  }
}
