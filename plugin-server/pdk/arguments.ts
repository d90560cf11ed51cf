/** Checks of arguments before they reach Kong, where a wrong one would answer the client 500. */
import { SluiceError } from '../errors.ts'
import type { HeaderValue } from './conversation.ts'

const refuse = (call: string, what: string): never => {
  throw new SluiceError('SLUICE_PDK_ARGUMENT', `${call}: ${what}`)
}

export function checkText(call: string, name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') refuse(call, `${name} must be a text that is not empty`)
  return value as string
}

export function checkStatus(call: string, status: unknown): number {
  if (!Number.isInteger(status) || (status as number) < 100 || (status as number) > 599)
    refuse(call, `the status must be a whole number from 100 to 599, not ${String(status)}`)
  return status as number
}

export function checkPort(call: string, port: unknown): number {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535)
    refuse(call, `the port must be a whole number from 0 to 65535, not ${String(port)}`)
  return port as number
}

/** A line break in a header would let a value forge further headers. */
export function checkHeaderValue(call: string, name: string, value: unknown): string | string[] {
  if (Array.isArray(value)) return value.map(item => checkHeaderValue(call, name, item) as string)
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    refuse(call, `the value of ${name} must be a text, a number or a list of them`)
  const text = String(value)
  if (/[\r\n\0]/.test(text)) refuse(call, `the value of ${name} must not hold a line break or a NUL`)
  return text
}

export function checkHeaders(
  call: string,
  headers: Readonly<Record<string, HeaderValue>>,
): Record<string, string | string[]> {
  const checked: Record<string, string | string[]> = {}
  for (const name of Object.keys(headers))
    checked[checkText(call, 'a header name', name)] = checkHeaderValue(call, name, headers[name])
  return checked
}
