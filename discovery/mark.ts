import type { ServiceQuery } from './consul/client.ts'

/** Begins the tag of an upstream whose targets come from Consul. */
const PREFIX = 'consul:'
const PARAMETERS = ['tag', 'dc']

/**
 * What an upstream is fed from, by its tag `consul:SERVICE`, or `consul:SERVICE?tag=v2&dc=berlin`. Parameters are
 * written as in a URL.
 *
 * @returns undefined without such a tag; a problem that says what is wrong with it, or that there are several
 */
export function readMark(tags: readonly string[]): ServiceQuery | { readonly problem: string } | undefined {
  const marks = tags.filter(tag => tag.startsWith(PREFIX))
  const [mark] = marks
  if (mark === undefined) return undefined
  if (marks.length > 1) return { problem: `has several tags that name a service: ${marks.join(' ')}` }
  const [service = '', query = ''] = mark.slice(PREFIX.length).split(/\?(.*)/s)
  if (!/^[\w.-]+$/.test(service)) return { problem: `${mark} names no service of Consul` }
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].find(name => !PARAMETERS.includes(name))
  if (unknown !== undefined) return { problem: `${mark} has ${unknown}, not ${PARAMETERS.join(' or ')}` }
  return { service, tags: parameters.getAll('tag'), datacenter: parameters.get('dc') ?? undefined }
}
