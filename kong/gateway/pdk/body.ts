import { parseQuery } from '../proxy/query.ts'
import { fromBytes } from './text.ts'

/** A body as named values, as `kong.request.get_body` reads it; undefined for one of another type, or malformed. */
export function parseBody(body: Buffer, type: string, max: number): unknown {
  const essence = type.toLowerCase().split(';', 1)[0]!
  if (essence.startsWith('application/x-www-form-urlencoded')) return parseQuery(body.toString('latin1'), max)
  if (essence.startsWith('application/json')) return parseJson(body.toString())
  if (essence.startsWith('multipart/form-data')) return parseMultipart(body, type)
  return undefined
}

function parseJson(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The fields of a form, without what its files are called. */
function parseMultipart(body: Buffer, type: string): Record<string, string | string[]> | undefined {
  const boundary = /boundary="?([^";,]+)"?/i.exec(type)?.[1]
  if (boundary === undefined) return undefined
  const fields: Record<string, string | string[]> = {}
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1)) {
    const end = part.indexOf('\r\n\r\n')
    const name = /^content-disposition:.*?\bname="([^"]*)"/im.exec(part.slice(0, Math.max(end, 0)))?.[1]
    if (name === undefined) continue
    const value = fromBytes(part.slice(end + 4).replace(/\r\n$/, ''))
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined
    const values = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
    Object.defineProperty(fields, name, {
      value: values,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return fields
}
