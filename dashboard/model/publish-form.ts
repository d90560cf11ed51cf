import type { Json } from './schema.ts'

/** What the wizard begins with, as it stands in its fields. */
export const START = {
  name: '',
  url: '',
  paths: '',
  hosts: '',
  auth: 'key-auth',
  hasLimit: true,
  requests: '60',
  seconds: '60',
  hasCache: false,
  cacheSeconds: '60',
}

export type Typed = typeof START

export const listOf = (text: string): readonly string[] => text.split(/[\s,]+/).filter(part => part !== '')

/** The body of `POST /v1/apis`. */
export function apiOf(typed: Typed): Json {
  const { auth, hasLimit, requests, seconds, hasCache, cacheSeconds } = typed
  const [paths, hosts] = [listOf(typed.paths), listOf(typed.hosts)]
  return {
    name: typed.name.trim(),
    url: typed.url.trim(),
    ...(paths.length > 0 && { paths }),
    ...(hosts.length > 0 && { hosts }),
    ...(auth !== '' && { auth }),
    ...(hasLimit && { limits: [{ requests: Number(requests), per_seconds: Number(seconds) }] }),
    ...(hasCache && { cache: { seconds: Number(cacheSeconds) } }),
  }
}

const STEPS: Readonly<Record<string, number>> = { auth: 1, limits: 2, cache: 3 }

/** Which step of the wizard a fault belongs to, by its JSON pointer into the body. */
export const stepOfFault = (pointer: string): number => STEPS[pointer.split('/')[1] ?? ''] ?? 0
