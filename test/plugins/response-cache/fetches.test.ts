import assert from 'node:assert/strict'
import type { Entry } from '../../../plugins/response-cache/entry.ts'
import { Filler, type FillRequest, type ThroughProxy } from '../../../plugins/response-cache/filler.ts'
import { Flights } from '../../../plugins/response-cache/flights.ts'
import type { FillMark } from '../../../plugins/response-cache/mark.ts'
import { SluiceError } from '../../../sdk/sdk.ts'
import { type AskFields, answerTo, askFor, type Node, SharedNodes } from './shared-nodes.ts'

const answered = async (status: number) => ({ status, headers: {}, body: new Uint8Array(0) })
let unexpected = 0
/** Whoever fetches takes what it throws for a failure, so it is counted. */
const never: ThroughProxy = () => {
  unexpected++
  return answered(503)
}

describe('a fetch of response-cache', () => {
  let nodes: SharedNodes
  let node: Node
  let other: Node
  let filler: Filler
  let otherFiller: Filler
  beforeEach(() => {
    unexpected = 0
    nodes = new SharedNodes()
    node = nodes.add()
    other = nodes.add()
    filler = new Filler(node.cache)
    otherFiller = new Filler(other.cache)
  })
  afterEach(async () => {
    await nodes.close()
    assert.equal(unexpected, 0, 'no fetch through the proxy was expected')
  })

  const settle = () => nodes.timers.advance(0)
  const requestFor = (fields: Partial<FillRequest> = {}, ask: AskFields = {}): FillRequest => {
    const asked = askFor('/a', ask)
    return {
      ...{ asked, name: asked.names.primary, stale: undefined, proxy: never },
      ...{ fillTimeoutMs: 5_000, followClientMs: 500, uncacheableMs: 10_000, ...fields },
    }
  }
  const NAME = requestFor().name
  const entry = (fields: Partial<Entry> = {}) => answerTo(askFor('/a'), node.cache.nowMs, fields)
  /** Good for nothing but for when the service fails. */
  const stale = (fields: Partial<Entry> = {}) => entry({ bornMs: node.cache.nowMs - 61_000, ...fields })
  /** As the response phase in this process, or in another one, does it. */
  const storeHere = ({ cache }: Node, { token, generation }: FillMark) => {
    const stored = entry({ token, generation })
    cache.put(NAME, stored)
    cache.flights.get(NAME)?.settle({ kind: 'entry', entry: stored, name: NAME, isFetched: true })
    return answered(200)
  }
  const storeElsewhere = async (fields: Partial<Entry>) => {
    await other.cache.shared?.putAnswer(NAME, entry(fields), Buffer.from('body'), 0)
    return answered(200)
  }

  describe('by the request of a client', () => {
    it('takes no 304 for an answer to itself, and asks a missing proxy once', async () => {
      let calls = 0
      const missing: ThroughProxy = async (mark, etag) => {
        calls++
        assert.deepEqual([mark.revalidates, etag], [NAME, '"1"'])
        throw new SluiceError('SLUICE_LOOPBACK_REFUSED', 'set SLUICE_PROXY_URL')
      }
      const request = requestFor({ stale: stale({ headers: { etag: '"1"' } }), proxy: missing })
      for (let n = 0; n < 2; n++) {
        const own = await filler.resolve(request)
        assert.ok(own.kind === 'own')
        assert.equal(own.mark.revalidates, undefined)
        await nodes.advance(500)
      }
      assert.equal(calls, 1)
    })

    it('is taken where the proxy refuses the connection, which is asked again the next time', async () => {
      let calls = 0
      const away: ThroughProxy = () => {
        calls++
        const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
        throw new SluiceError('SLUICE_FETCH_FAILED', 'x', { cause })
      }
      for (let n = 0; n < 2; n++) {
        assert.equal((await filler.resolve(requestFor({ stale: stale(), proxy: away }))).kind, 'own')
        await nodes.advance(500)
      }
      assert.equal(calls, 2)
    })

    it('is waited for, and then one of those who wait fetches through the proxy for all', async () => {
      assert.equal((await filler.resolve(requestFor())).kind, 'own')
      let calls = 0
      const proxy: ThroughProxy = mark => {
        calls++
        return storeHere(node, mark)
      }
      const waiting = [1, 2, 3].map(() => filler.resolve(requestFor({ proxy })))
      await nodes.advance(499, 499)
      assert.equal(calls, 0)
      await nodes.advance(1)
      const all = await Promise.all(waiting)
      assert.deepEqual(all.map(one => one.kind === 'answer' && one.how).sort(), [
        'collapsed',
        'collapsed',
        'fetched',
      ])
      assert.equal(calls, 1)
    })

    it('is fetched through the proxy by the last who waits, too', async () => {
      await filler.resolve(requestFor())
      const waiting = filler.resolve(requestFor({ proxy: mark => storeHere(node, mark) }))
      await nodes.advance(500)
      assert.equal((await waiting).kind, 'answer')
    })

    it('is given up after three that nobody knows the end of', async () => {
      const { flights } = node.cache
      flights.begin(NAME, '1')
      const waiting = filler.resolve(requestFor())
      for (let n = 0; n < 3; n++) {
        const flight = flights.get(NAME)
        assert.ok(flight)
        flight.settle({ kind: 'abandoned' })
        // Before the one who waits, somebody else begins.
        void flight.outcome.then(() => flights.begin(NAME, String(n)))
        await settle()
      }
      assert.deepEqual(await waiting, { kind: 'pass' })
    })

    it('is waited for by ten thousand at most: the others go on', async () => {
      const { flights } = node.cache
      const flight = flights.begin(NAME, '1')
      const all = Array.from({ length: 10_000 }, () => flights.wait(flight))
      assert.deepEqual(await filler.resolve(requestFor({ stale: stale() })), { kind: 'pass' })
      flight.settle({ kind: 'failed' })
      await Promise.all(all)
      const next = flights.begin(NAME, '2')
      const waiting = filler.resolve(requestFor())
      await settle()
      assert.equal(next.waiting, 1)
      next.settle({ kind: 'uncacheable' })
      assert.deepEqual(await waiting, { kind: 'pass' })
      assert.equal(next.waiting, 0)
    })
  })

  describe('through the proxy', () => {
    it('that fails leads to the stale answer, and to no further one for a second', async () => {
      const revalidated: unknown[] = []
      for (const proxy of [
        (mark: FillMark) => {
          revalidated.push(mark.revalidates)
          return Promise.reject(new Error('reset'))
        },
        () => answered(503),
        // It was not stored: the body broke off.
        () => answered(200),
      ]) {
        const resolution = await filler.resolve(requestFor({ stale: stale(), proxy }))
        assert.ok(resolution.kind === 'answer' && resolution.how === 'if-error')
        nodes.clock.advance(999)
        assert.equal(node.cache.isFailing(NAME), true)
        nodes.clock.advance(1)
        assert.equal(node.cache.isFailing(NAME), false)
      }
      // It has no validator.
      assert.deepEqual(revalidated, [undefined])
    })

    it('that is refused says nothing about the service: the request goes on', async () => {
      for (const status of [401, 403, 421, 421, 429]) {
        const proxy = () => answered(status)
        assert.deepEqual(await filler.resolve(requestFor({ stale: stale(), proxy })), { kind: 'pass' })
        assert.equal(node.cache.isFailing(NAME), false)
      }
      assert.equal(node.warnings.filter(text => text.includes('another scheme')).length, 1)
    })

    it('that was too slow lets nobody wait for the next, but where a stale answer stands by', async () => {
      const proxy = () => Promise.reject(new SluiceError('SLUICE_FETCH_TIMEOUT', 'x'))
      await filler.resolve(requestFor({ stale: stale(), proxy }))
      assert.equal(node.cache.isUncacheable(NAME), false)
      await filler.resolve(requestFor())
      const waiting = filler.resolve(requestFor({ proxy }))
      await nodes.advance(500)
      assert.deepEqual(await waiting, { kind: 'pass' })
      assert.equal(node.cache.isUncacheable(NAME), true)
      nodes.clock.advance(10_000)
      assert.equal(node.cache.isUncacheable(NAME), false)
    })

    it('that fails gives no stale answer that was changed or purged meanwhile', async () => {
      const request = requestFor({
        stale: stale(),
        async proxy() {
          await node.cache.invalidate(askFor('/a').names.path)
          throw new Error('reset')
        },
      })
      assert.deepEqual(await filler.resolve(request), { kind: 'pass' })
    })

    it('is made where others wait already, though no stale answer stands by', async () => {
      let calls = 0
      const proxy: ThroughProxy = mark => {
        calls++
        return storeHere(node, mark)
      }
      const all = await Promise.all([1, 2].map(() => filler.resolve(requestFor({ proxy }))))
      assert.deepEqual(
        all.map(one => one.kind === 'answer' && one.how),
        ['fetched', 'collapsed'],
      )
      assert.equal(calls, 1)
    })

    it('keeps the other nodes waiting for as long as it may take', async () => {
      let fail = () => {}
      const proxy = () =>
        new Promise<never>((_, reject) => {
          fail = () => reject(new Error('reset'))
        })
      const leading = filler.resolve(requestFor({ stale: stale(), proxy }))
      await nodes.advance(1_000)
      const waiting = otherFiller.resolve(requestFor())
      await nodes.advance(3_000)
      fail()
      await settle()
      assert.equal((await leading).kind, 'answer')
      assert.deepEqual(await waiting, { kind: 'pass' })
    })

    it('that fails gives those who wait the stale answer that only the store had', async () => {
      await storeElsewhere({})
      nodes.clock.advance(61_000)
      const fail = () => Promise.reject(new Error('reset'))
      const leading = filler.resolve(requestFor({ proxy: fail }))
      const waiting = filler.resolve(requestFor())
      for (const one of await Promise.all([leading, waiting]))
        assert.ok(one.kind === 'answer' && one.how === 'if-error')
    })

    it('is not made for an answer that would be of no use when the service fails', async () => {
      const lifetime = { freshMs: 10_000, whileRevalidateMs: 60_000, ifErrorMs: 0 }
      await storeElsewhere({ lifetime })
      nodes.clock.advance(20_000)
      const own = await filler.resolve(requestFor({}, { control: 'no-cache' }))
      assert.equal(own.kind, 'own')
    })

    it('that fails gives those who wait the stale answer that the others found', async () => {
      node.cache.put(NAME, stale())
      let fail = () => {}
      const proxy = () =>
        new Promise<never>((_, reject) => {
          fail = () => reject(new Error('reset'))
        })
      const leading = filler.resolve(requestFor({ stale: stale(), proxy }))
      await settle()
      const waiting = filler.resolve(requestFor())
      await settle()
      fail()
      for (const one of await Promise.all([leading, waiting]))
        assert.ok(one.kind === 'answer' && one.how === 'if-error')
    })

    it('is what another process has stored for it, and nothing that another fetch has', async () => {
      const proxy: ThroughProxy = async mark => {
        await storeElsewhere({ token: mark.token })
        other.cache.finish(mark, 'stored')
        return answered(200)
      }
      const fetched = await filler.resolve(requestFor({ stale: stale(), proxy }))
      assert.ok(fetched.kind === 'answer' && fetched.how === 'fetched')
      assert.equal(node.cache.find(askFor('/a'), NAME)?.use, 'use')
      node.cache.memory.clear()
      // Good for nobody who asks for a newer one.
      const request = requestFor(
        { stale: stale(), proxy: () => storeElsewhere({ token: 'other' }) },
        { control: 'no-cache' },
      )
      const failed = await filler.resolve(request)
      assert.ok(failed.kind === 'answer' && failed.how === 'if-error')
    })

    it('that could not be stored by another process lets the request pass', async () => {
      const proxy = async () => {
        await other.cache.shared?.putUncacheable(askFor('/a').names.path, NAME, 10_000)
        return answered(200)
      }
      assert.deepEqual(await filler.resolve(requestFor({ stale: stale(), proxy })), { kind: 'pass' })
      assert.equal(node.cache.isFailing(NAME), false)
    })
  })

  describe('on another node', () => {
    /** The other node fetches by the request of its client. */
    const leadElsewhere = async () => {
      const own = await otherFiller.resolve(requestFor())
      assert.ok(own.kind === 'own')
      return own.mark
    }

    it('is waited for, and its answer taken as soon as it is said', async () => {
      const mark = await leadElsewhere()
      const waiting = filler.resolve(requestFor())
      await settle()
      await storeElsewhere({ token: mark.token })
      other.cache.finish(mark, 'stored')
      await settle()
      const found = await waiting
      assert.ok(found.kind === 'answer' && found.how === 'redis')
    })

    it('is found within 100 ms where its message is lost', async () => {
      const mark = await leadElsewhere()
      node.store.isDeaf = true
      const waiting = filler.resolve(requestFor())
      await settle()
      await storeElsewhere({ token: mark.token })
      await nodes.advance(100, 100)
      assert.equal((await waiting).kind, 'answer')
    })

    for (const outcome of ['failed', 'uncacheable'] as const)
      it(`that is said to have ${outcome === 'failed' ? 'failed' : 'brought what cannot be stored'} lets the request pass at once`, async () => {
        const mark = await leadElsewhere()
        const waiting = filler.resolve(requestFor())
        await settle()
        other.cache.finish(mark, outcome)
        await settle()
        assert.deepEqual(await waiting, { kind: 'pass' })
      })

    it('that failed leads to the stale answer here', async () => {
      const mark = await leadElsewhere()
      const waiting = filler.resolve(requestFor({ stale: stale() }))
      await settle()
      other.cache.finish(mark, 'failed')
      await settle()
      const resolution = await waiting
      assert.ok(resolution.kind === 'answer' && resolution.how === 'if-error')
    })

    it('of whose end nothing is heard is made here as soon as nobody holds its lock', async () => {
      const mark = await leadElsewhere()
      node.store.isDeaf = true
      const waiting = filler.resolve(requestFor({ proxy: made => storeHere(node, made) }))
      await settle()
      other.cache.shared?.unlock(mark)
      await nodes.advance(100, 100)
      const made = await waiting
      assert.ok(made.kind === 'answer' && made.how === 'fetched')
    })

    it('is known to bring what cannot be stored, for as long as both remember it', async () => {
      const { path } = askFor('/a').names
      for (const [theirsMs, oursMs] of [
        [10_000, 3_000],
        [3_000, 10_000],
      ] as const) {
        await other.cache.shared?.putUncacheable(path, NAME, theirsMs)
        assert.deepEqual(await filler.resolve(requestFor({ uncacheableMs: oursMs })), { kind: 'pass' })
        nodes.clock.advance(2_999)
        assert.equal(node.cache.isUncacheable(NAME), true)
        nodes.clock.advance(1)
        assert.equal(node.cache.isUncacheable(NAME), false)
        nodes.clock.advance(10_000)
      }
    })

    it('brings an answer that is too old for one client, and no longer of use for another', async () => {
      await storeElsewhere({ bornMs: node.cache.nowMs })
      nodes.clock.advance(10_000)
      const found = await filler.resolve(requestFor())
      assert.ok(found.kind === 'answer' && found.how === 'redis')
      const picky = requestFor({}, { control: 'max-age=5' })
      // It stands by, and so a fetch of ours is worth it.
      const proxied = await filler.resolve({ ...picky, proxy: () => answered(503) })
      assert.ok(proxied.kind === 'answer' && proxied.how === 'if-error')
      nodes.clock.advance(120_000)
      await nodes.advance(500)
      assert.equal((await filler.resolve(requestFor())).kind, 'own')
    })

    it('is waited for no longer than the process lives', async () => {
      await leadElsewhere()
      let isOver = false
      void filler.resolve(requestFor({ followClientMs: 60_000 })).then(() => {
        isOver = true
      })
      await settle()
      await node.cache.close()
      await nodes.advance(100, 100)
      assert.ok(isOver)
    })

    it('brings nothing that was changed or purged since', async () => {
      const { path } = askFor('/a').names
      const isFound = async () => (await filler.peek(requestFor())) !== undefined
      await storeElsewhere({})
      assert.ok(await isFound())
      await other.cache.invalidate(path)
      assert.ok(!(await isFound()))
      await storeElsewhere({ generation: other.cache.generationOf(path) })
      assert.ok(await isFound())
      node.cache.orders.add({ kind: 'key', value: '/a', sequence: 1 })
      assert.ok(!(await isFound()))
    })

    it('holds its lock for a while only, which a late answer of the store does not keep', async () => {
      const of = { path: 'p', flight: 'f', token: 'a' }
      node.store.isLate = true
      assert.equal(await node.cache.shared?.lock(of, 60_000), 0)
      node.store.isLate = false
      await settle()
      assert.equal(await other.cache.shared?.lock({ ...of, token: 'b' }, 60_000), 0)
    })

    it('gives its lock back once the store is there again, and tries for a minute', async () => {
      const of = { path: 'p', flight: 'f', token: 'a' }
      await node.cache.shared?.lock(of, 600_000)
      node.store.isAway = true
      node.cache.shared?.unlock(of)
      await nodes.advance(10_000)
      const retried = () => nodes.timers.asked.filter(ms => ms === 200).length
      assert.equal(retried(), 51)
      node.store.isAway = false
      await nodes.advance(200)
      assert.equal(await other.cache.shared?.lock({ ...of, token: 'b' }, 600_000), 0)
      other.store.isAway = true
      other.cache.shared?.unlock({ ...of, token: 'b' })
      await nodes.advance(70_000)
      assert.equal(retried(), 51 + 299)
    })

    it('does not keep a process that ends', async () => {
      node.store.isAway = true
      node.cache.shared?.unlock({ path: 'p', flight: 'f', token: 'a' })
      await settle()
      const retried = () => nodes.timers.asked.filter(ms => ms === 200).length
      assert.equal(retried(), 1)
      // One that is on its way while it ends, too.
      node.cache.shared?.unlock({ path: 'p', flight: 'g', token: 'a' })
      await node.cache.close()
      await nodes.advance(1_000)
      assert.equal(retried(), 1)
    })
  })

  describe('that nobody waits for', () => {
    it('is made once, however many have seen the stale answer', async () => {
      let calls = 0
      const proxy: ThroughProxy = mark => {
        calls++
        return storeHere(node, mark)
      }
      const request = requestFor({ stale: stale(), proxy })
      // Which is no matter of the lock that all nodes share.
      node.store.isAway = true
      await Promise.all([filler.refresh(request), filler.refresh(request)])
      assert.equal(calls, 1)
      assert.equal(node.cache.find(askFor('/a'), NAME)?.use, 'use')
    })

    it('is spared where another node has made it, or is about to', async () => {
      const of = { path: askFor('/a').names.path, flight: NAME, token: 'theirs' }
      await other.cache.shared?.lock(of, 5_000)
      await filler.refresh(requestFor({ stale: stale() }))
      assert.equal(node.cache.flights.get(NAME), undefined)
      await storeElsewhere({ token: 'theirs' })
      other.cache.shared?.unlock(of)
      await filler.refresh(requestFor({ stale: stale() }))
      assert.equal(node.cache.find(askFor('/a'), NAME)?.use, 'use')
    })

    it('that fails keeps nobody waiting', async () => {
      const fail = () => Promise.reject(new SluiceError('SLUICE_LOOPBACK_REFUSED', 'x'))
      await filler.refresh(requestFor({ stale: stale(), proxy: fail }))
      await settle()
      assert.equal(node.cache.flights.get(NAME), undefined)
    })
  })

  it('is for those only who ask for the same variant, and accept its age', async () => {
    const { flights } = node.cache
    const settleWith = async (outcome: object, ask: AskFields = {}) => {
      const flight = flights.begin(NAME, 't')
      const waiting = filler.resolve(requestFor({}, ask))
      await settle()
      flight.settle({ kind: 'entry', name: NAME, isFetched: false, entry: entry(), ...outcome })
      return (await waiting).kind
    }
    assert.equal(await settleWith({}), 'answer')
    assert.equal(await settleWith({ name: 'another variant' }), 'pass')
    const old = entry({ bornMs: node.cache.nowMs - 10_000 })
    assert.equal(await settleWith({ entry: old }, { control: 'max-age=5' }), 'pass')
    // It was fetched for them.
    assert.equal(await settleWith({ entry: old, isFetched: true }, { control: 'max-age=5' }), 'answer')
  })

  it('ends for those who wait when the process does', async () => {
    node.cache.flights.begin(NAME, 't')
    const waiting = filler.resolve(requestFor())
    await node.cache.close()
    assert.deepEqual(await waiting, { kind: 'pass' })
  })

  for (const how of ['isAway', 'isLate'] as const)
    it(`is made alone while the store ${how === 'isAway' ? 'is away' : 'answers too late'}`, async () => {
      node.store[how] = true
      const own = await filler.resolve(requestFor())
      assert.ok(own.kind === 'own')
      assert.equal(own.mark.generation, '')
    })
})

describe('those who wait for a fetch', () => {
  it('wait for the latest of its name, and for its first outcome', async () => {
    const flights = new Flights()
    const first = flights.begin('a', '1')
    const second = flights.begin('a', '2')
    first.settle({ kind: 'failed' })
    await first.outcome
    assert.equal(flights.get('a'), second)
    second.settle({ kind: 'uncacheable' })
    second.settle({ kind: 'failed' })
    assert.equal(second.settled?.kind, 'uncacheable')
    await second.outcome
    assert.equal(flights.get('a'), undefined)
  })

  it('give up after the time that was said last, and not at all after its end', async () => {
    const { timers } = new SharedNodes()
    const flights = new Flights()
    const flight = flights.begin('a', '1')
    flight.abandonAfter(100, timers)
    flight.abandonAfter(300, timers)
    const end = () => flight.settled?.kind
    await timers.advance(299)
    assert.equal(end(), undefined)
    await timers.advance(1)
    assert.equal(end(), 'abandoned')
    flight.abandonAfter(700, timers)
    assert.deepEqual(timers.asked, [100, 300])
  })

  it('keep no timer behind its end', () => {
    let held = 0
    const after = () => {
      held++
      return () => {
        held--
      }
    }
    const flight = new Flights().begin('a', '1')
    flight.abandonAfter(100, { after, every: after })
    flight.settle({ kind: 'failed' })
    assert.equal(held, 0)
  })
})
