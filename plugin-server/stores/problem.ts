import { messageOf } from '../../foundation/errors.ts'

/** What a connection's error means, in one sentence: what is wrong, and in brackets what Redis or the system said. */
export function problemOf(error: unknown, db: number): string {
  // A cluster's error only says that no node answered; the last node's says why.
  const { lastNodeError } = error as { lastNodeError?: unknown }
  if (lastNodeError) return problemOf(lastNodeError, db)
  const said = messageOf(error)
  const { code, address, port } = error as { code?: string; address?: string; port?: number }
  const at = address === undefined ? '' : ` at ${address}${port === undefined ? '' : `:${port}`}`
  const meaning = MEANINGS.find(([pattern]) => pattern.test(`${code ?? ''} ${said}`))?.[1]
  return meaning ? `${meaning(at, db)} (${said})` : `no connection to Redis (${said})`
}

const MEANINGS: readonly (readonly [pattern: RegExp, meaning: (at: string, db: number) => string])[] = [
  [/WRONGPASS|invalid password/i, () => 'Redis refuses the user or the password of SLUICE_REDIS_URL'],
  [/NOAUTH/, () => 'Redis requires a password, and SLUICE_REDIS_URL has none'],
  [/without any password configured/, () => 'SLUICE_REDIS_URL has a password, and Redis knows none'],
  [/NOPERM/, () => 'the user of SLUICE_REDIS_URL lacks a permission'],
  [/DB index/, (_, db) => `Redis has no database ${db}, which SLUICE_REDIS_URL names`],
  [/ECONNREFUSED/, at => `nothing listens for Redis${at}`],
  [/ENOENT/, () => 'there is no such unix socket as SLUICE_REDIS_URL names'],
  [/EACCES/, () => 'this user may not open the unix socket of SLUICE_REDIS_URL'],
  [/ENOTFOUND|EAI_AGAIN/, () => 'the host name in SLUICE_REDIS_URL cannot be resolved'],
  [/ETIMEDOUT|timed? ?out/i, at => `Redis${at} does not answer`],
  [/certificate|CERT_|self.signed|ERR_TLS/i, () => "the certificate of Redis' TLS is not accepted"],
  [
    /All sentinels are unreachable/,
    () => 'no sentinel of SLUICE_REDIS_URL answers, or none knows its master',
  ],
  [/slots cache|ClusterAllFailed/i, () => 'no node of the Redis Cluster answers'],
]
