import assert from 'node:assert/strict'
import { SluiceError } from '../../../foundation/errors.ts'
import { readRedisUrls } from '../../../plugin-server/stores/redis-url.ts'

describe('SLUICE_REDIS_URL', () => {
  const read = (text: string) => readRedisUrls(text.split(','))

  it('names a server, with its database, user, password and authorities', () => {
    const at = (host: string, port: number) => ({ kind: 'single', nodes: [{ host, port }] }) as const
    const cases: [text: string, target: ReturnType<typeof read>][] = [
      ['redis://redis.local', { ...at('redis.local', 6379), db: 0 }],
      ['redis://[::1]:7000/3', { ...at('::1', 7000), db: 3 }],
      ['redis://a/?db=3', { ...at('a', 6379), db: 3 }],
      ['redis://a/3?db=3', { ...at('a', 6379), db: 3 }],
      ['redis:///2', { ...at('localhost', 6379), db: 2 }],
      ['redis://us%3Aer:p%40ss@a', { ...at('a', 6379), db: 0, username: 'us:er', password: 'p@ss' }],
      ['rediss://:word@a', { ...at('a', 6379), db: 0, password: 'word', tls: { ca: undefined } }],
      ['rediss://a/1?ca=/etc/ca.pem', { ...at('a', 6379), db: 1, tls: { ca: '/etc/ca.pem' } }],
    ]
    for (const [text, target] of cases) assert.deepEqual(read(text), target, text)
  })

  it('names a unix socket', () => {
    const socket = { kind: 'single', nodes: [] } as const
    assert.deepEqual(read('redis+unix:///run/redis/redis.sock?db=4'), {
      ...socket,
      socket: '/run/redis/redis.sock',
      db: 4,
    })
    assert.deepEqual(read('redis+unix://me:word@localhost/run/a%20b.sock'), {
      ...socket,
      socket: '/run/a b.sock',
      db: 0,
      username: 'me',
      password: 'word',
    })
  })

  it('names a cluster or sentinels, each with its password once or repeated', () => {
    const nodes = [
      { host: 'a', port: 6379 },
      { host: 'b', port: 7000 },
    ]
    assert.deepEqual(read('redis://:word@a,redis://b:7000'), {
      kind: 'cluster',
      nodes,
      db: 0,
      password: 'word',
    })
    assert.deepEqual(read('rediss://:word@a?ca=/x,rediss://:word@b:7000?ca=/x').tls, { ca: '/x' })
    assert.deepEqual(read('redis+sentinel://a/mymaster?db=2,redis+sentinel://b:7000'), {
      kind: 'sentinel',
      nodes: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 7000 },
      ],
      master: 'mymaster',
      db: 2,
    })
  })

  it('is refused for what would not be true, and names it without the password', () => {
    const cases: [text: string, reason: RegExp][] = [
      ['redis://:planted@a/cache', /the database "cache" is not a number, such as redis:\/\/host:6379\/3/],
      ['redis://:planted@a?db=three', /the database "three" is not a number/],
      ['redis://:planted@a/-1', /the database "-1"/],
      ['redis://:planted@a/1?db=2', /names two databases: \/1 and db=2/],
      ['redis://:planted@a?database=2', /unknown parameter "database": known are db and ca/],
      ['redis://:planted@a?ca=/etc/ca.pem', /ca is for TLS/],
      ['redis://:planted@a/1,redis://b', /database 1: a Redis Cluster has database 0 only/],
      ['redis://:planted@a,redis://b/1', /the URLs differ in their database/],
      ['redis://:planted@a,rediss://b', /mixes redis:\/\/ and rediss:\/\//],
      ['redis://:planted@a,redis://:other@b', /the URLs differ in their password/],
      ['redis://me:planted@a,redis://you@b', /the URLs differ in their username/],
      ['rediss://:planted@a?ca=/x,rediss://b?ca=/y', /the URLs differ in ca/],
      ['redis+unix://:planted@localhost', /names no socket/],
      ['redis+unix:///a.sock,redis+unix:///b.sock', /a unix socket is one server/],
      ['redis+sentinel://:planted@a', /sentinels need the name of their master/],
      ['redis+sentinel://:planted@a/one,redis+sentinel://b/two', /names two masters: one and two/],
    ]
    for (const [text, reason] of cases)
      assert.throws(
        () => read(text),
        (error: SluiceError) => {
          assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG_INVALID', text)
          assert.match(error.message, /^SLUICE_REDIS_URL: /)
          assert.match(error.message, reason)
          assert.ok(!error.message.includes('planted'), error.message)
          return true
        },
      )
  })
})
