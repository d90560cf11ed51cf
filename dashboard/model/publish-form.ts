import type { ApiAnswers } from './publish.ts'

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

export const answersOf = (typed: Typed): ApiAnswers => ({
  name: typed.name.trim(),
  url: typed.url.trim(),
  paths: listOf(typed.paths),
  hosts: listOf(typed.hosts),
  auth: typed.auth,
  limit: typed.hasLimit ? { requests: Number(typed.requests), seconds: Number(typed.seconds) } : undefined,
  cacheSeconds: typed.hasCache ? Number(typed.cacheSeconds) : undefined,
})
