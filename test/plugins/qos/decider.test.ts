import assert from 'node:assert/strict'
import { createAccount, learn, useLimitSet } from '../../../plugins/qos/account.ts'
import { AccountBook } from '../../../plugins/qos/account-book.ts'
import { Decider } from '../../../plugins/qos/decider.ts'
import type { Limit } from '../../../plugins/qos/limit.ts'
import { changeSubject } from '../../../plugins/qos/limit-admin.ts'
import { createLimitSet } from '../../../plugins/qos/limit-set.ts'
import type { Request } from '../../../plugins/qos/request.ts'
import { remainingOf, type Verdict } from '../../../plugins/qos/verdict.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { createHeldStore, settled } from './held-store.ts'
import { calendar, gcra, sliding } from './limits.ts'

const KEY = '{sluice:qos:all:consumer:alice}'

describe('the decider of qos', () => {
  it('remembers a refusal: no call until its time, admitted then', async () => {
    const { ask, store, clock } = await createSetting([gcra(10, 60, 1)], { strict: true })
    assert.equal((await ask()).outcome, 'admitted')
    assert.deepEqual(brief(await ask()), ['refused', 'store'])
    clock.advance(5999)
    const remembered = await ask()
    assert.deepEqual(brief(remembered), ['refused', 'memory'])
    assert.equal(remembered.retryMicros, 1000)
    assert.equal(store.calls, 2)
    clock.advance(1)
    assert.deepEqual(brief(await ask()), ['admitted', 'store'])
  })

  it('does not hold a remembered refusal against a cheaper request', async () => {
    const { ask } = await createSetting([gcra(10, 60)], { strict: true })
    await ask({ cost: 8 })
    assert.deepEqual(brief(await ask({ cost: 5 })), ['refused', 'store'])
    assert.deepEqual(brief(await ask({ cost: 7 })), ['refused', 'memory'])
    assert.deepEqual(brief(await ask({ cost: 2 })), ['admitted', 'store'])
  })

  it('shares one call among those of a subject that wait when strict, and leaves nothing at hand', async () => {
    const { ask, store } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    const first = ask({ cost: 5 })
    const waiting = [ask({ cost: 4 }), ask({ cost: 4 }), ask()]
    await settled()
    assert.deepEqual(
      store.pending.map(({ cost, wanted, ahead }) => [cost, wanted, ahead]),
      [[5, 5, 0]],
    )
    await store.answer()
    assert.deepEqual(
      store.pending.map(({ cost, wanted, ahead }) => [cost, wanted, ahead]),
      [[4, 8, 0]],
    )
    for (let i = 0; i < 3; i++) await store.answer()
    assert.equal((await first).outcome, 'admitted')
    // Of the five that were left one of the fours had its own, and the last one the rest.
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ outcome }) => outcome),
      ['admitted', 'refused', 'admitted'],
    )
    const after = ask({ cost: 0 })
    await store.answer()
    assert.equal(remainingOf(await after, 0), 0)
  })

  it('makes a call of its own when strict and the one under way takes long', async () => {
    const { ask, store, clock } = await createSetting([gcra(100, 60)], { strict: true, holds: true })
    const verdicts = [ask(), ask()]
    await settled()
    clock.advance(6)
    verdicts.push(ask(), ask())
    await settled()
    assert.equal(store.pending.length, 3)
    await store.answer()
    await store.answer()
    for (const verdict of verdicts) assert.equal((await verdict).outcome, 'admitted')
  })

  it('asks for each request apart when a limit is a shadow, which tells them one by one', async () => {
    const shadow = { ...gcra(2, 3600, 2, 'shadow'), shadow: true }
    const { ask, store } = await createSetting([gcra(10, 3600), shadow], { strict: true, holds: true })
    const verdicts = [ask(), ask(), ask()]
    await settled()
    assert.equal(store.pending.length, 3)
    await store.answer()
    assert.deepEqual(
      (await Promise.all(verdicts)).map(({ overrun }) => overrun),
      [[], [], [1]],
    )
  })

  it('asks once for all that wait when leased, and again for those that came meanwhile', async () => {
    const { ask, store } = await createSetting([gcra(1000, 60)], { holds: true })
    const first = [ask(), ask({ cost: 3 })]
    await settled()
    // The first is on its way alone; the second waits for the next call, with all that follow.
    const later = Array.from({ length: 8 }, () => ask())
    assert.deepEqual(
      store.pending.map(({ wanted }) => wanted),
      [1],
    )
    await store.answer()
    assert.equal((await first[0]!).outcome, 'admitted')
    assert.equal(store.pending.length <= 1, true)
    await store.answer()
    for (const verdict of [...first, ...later]) assert.equal((await verdict).outcome, 'admitted')
    assert.equal(store.calls, 2)
  })

  it('spends tokens at hand in the same turn, and gives back what lies unused', async () => {
    const { decider, request, ask, store, clock, tick } = await createSetting([gcra(1000, 60)])
    for (let i = 0; i < 30; i++) await ask()
    const calls = store.calls
    assert.ok(calls < 10, `${calls} calls for 30 requests`)
    let spent = 0
    while (!((decider.decide(request) as unknown) instanceof Promise)) spent++
    assert.ok(spent > 0)
    await settled()
    clock.advance(1001)
    await tick()
    const { outcome, ...state } = await ask({ leaseTolerance: undefined, cost: 0 })
    assert.equal(outcome, 'admitted')
    // 30 + spent + the one that was not in hand; of the refill of a second, 16.
    assert.equal(remainingOf({ outcome, ...state }, 0), Math.min(1000, 1000 - (31 + spent) + 16))
  })

  it('gives tokens back when it is closed', async () => {
    const { decider, ask, store, clock } = await createSetting([gcra(1000, 3600)])
    for (let i = 0; i < 30; i++) await ask()
    await decider.close()
    const other = new Decider({ store, clock, timers: { after: () => () => {}, every: () => () => {} } })
    const verdict = await other.decide({
      ...requestOf([gcra(1000, 3600)]),
      leaseTolerance: undefined,
      cost: 0,
    })
    assert.equal(remainingOf(verdict, 0), 970)
    await other.close()
  })

  it('takes nothing ahead for a limit that is too small, nor near its end', async () => {
    const small = await createSetting([gcra(15, 60)])
    for (let i = 0; i < 10; i++) assert.equal((await small.ask()).tokens, 0)
    const near = await createSetting([sliding(200, 3600)])
    for (let i = 0; i < 195; i++) await near.ask()
    for (let i = 0; i < 5; i++)
      assert.deepEqual([(await near.ask()).tokens, near.store.pending.length], [0, 0])
    assert.equal((await near.ask()).outcome, 'refused')
  })

  it('refuses only those that wait and ask too much', async () => {
    const { ask, store } = await createSetting([gcra(10, 60)], { holds: true })
    const first = ask({ cost: 8 })
    const waiting = [ask({ cost: 5 }), ask({ cost: 1 }), ask({ cost: 6 }), ask({ cost: 1 })]
    await store.answer()
    await store.answer()
    await store.answer()
    assert.equal((await first).outcome, 'admitted')
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ outcome }) => outcome),
      ['refused', 'admitted', 'refused', 'admitted'],
    )
  })

  it('keeps requests of two tiers apart that wait for one subject', async () => {
    const { ask, store } = await createSetting([gcra(10, 60, 10, 'minute')], { holds: true })
    const other = createLimitSet([gcra(2, 60, 2, 'other')])
    const verdicts = [
      ask(),
      ask({ limitSet: other }),
      ask(),
      ask({ limitSet: other }),
      ask({ limitSet: other }),
    ]
    for (let i = 0; i < 6; i++) await store.answer()
    const all = await Promise.all(verdicts)
    assert.deepEqual(
      all.map(({ outcome, limits }) => `${outcome} by ${limits[0]!.name}`),
      [
        'admitted by minute',
        'admitted by other',
        'admitted by minute',
        'admitted by other',
        'refused by other',
      ],
    )
  })

  it('gives a debit back: in the store, to the tokens at hand, and of the time alone', async () => {
    const strict = await createSetting([gcra(10, 3600)], { strict: true })
    await strict.ask({ cost: 4 })
    strict.decider.giveBack({ ...strict.request, cost: 3 })
    await settled()
    assert.equal(remainingOf(await strict.ask({ cost: 0 }), 0), 9)

    const alone = await createSetting([gcra(10, 3600)], { strict: true })
    await alone.ask()
    alone.store.setAway(true)
    await alone.ask({ cost: 2 })
    alone.decider.giveBack({ ...alone.request, cost: 2 })
    alone.store.setAway(false)
    await settled()
    assert.equal(remainingOf(await alone.ask({ cost: 0 }), 0), 9)
  })

  it('gives a debit back to the store, too, where it was the last of the tokens at hand', async () => {
    const { ask, decider, request, clock, tick } = await createSetting([gcra(15, 3600)])
    assert.equal((await ask()).tokens, 0)
    decider.giveBack(request)
    clock.advance(1001)
    await tick()
    assert.equal(remainingOf(await ask({ leaseTolerance: undefined, cost: 0 }), 0), 15)
  })

  it('lets a refused subject pass again when a debit was given back', async () => {
    const { ask, decider, request } = await createSetting([gcra(1, 3600)], { strict: true })
    await ask()
    assert.equal((await ask()).outcome, 'refused')
    decider.giveBack(request)
    await settled()
    assert.equal((await ask()).outcome, 'admitted')
  })

  it('debits once what it decided alone because the store was late', async () => {
    const { ask, store } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    const verdicts = [ask(), ask(), ask()]
    await settled()
    const late = await store.delay()
    for (const verdict of verdicts) assert.deepEqual(brief(await verdict), ['admitted', 'local'])
    await late.answer()
    // Only the first was in that call.
    assert.deepEqual(
      store.pending.map(({ operation, cost }) => [operation, cost]),
      [['add', 2]],
    )
    await store.answer()
    const after = ask({ cost: 0 })
    await store.answer()
    assert.equal(remainingOf(await after, 0), 7)
  })

  it('gives back what a late call debited for requests that it refused alone', async () => {
    const { ask, store } = await createSetting([gcra(8, 3600)], { strict: true, holds: true, processes: 4 })
    const verdicts = Array.from({ length: 6 }, () => ask())
    await settled()
    await store.answer()
    assert.deepEqual(brief(await verdicts[0]!), ['admitted', 'store'])
    const late = await store.delay()
    // Of the seven that were left this node's share is one; the late call debits five.
    const alone = await Promise.all(verdicts.slice(1))
    assert.deepEqual(
      alone.map(({ outcome }) => outcome),
      ['admitted', 'refused', 'refused', 'refused', 'refused'],
    )
    await late.answer()
    await store.answer()
    const after = ask({ cost: 0 })
    await store.answer()
    assert.equal(remainingOf(await after, 0), 6)
  })

  it('debits once more what it decided alone when the late answer is lost: less, never more', async () => {
    const { ask, store } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    const verdict = ask()
    await settled()
    const late = await store.delay()
    assert.deepEqual(brief(await verdict), ['admitted', 'local'])
    await late.lose()
    assert.deepEqual(
      store.pending.map(({ operation, cost }) => [operation, cost]),
      [['add', 1]],
    )
    await store.answer()
    const after = ask({ cost: 0 })
    await store.answer()
    assert.equal(remainingOf(await after, 0), 8)
  })

  it('does not debit a second time when the debit itself was late', async () => {
    const { ask, store } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    store.setAway(true)
    await ask({ cost: 3 })
    store.setAway(false)
    await settled()
    const late = await store.delay()
    await late.answer()
    const after = ask({ cost: 0 })
    await settled()
    assert.deepEqual(
      store.pending.map(({ operation }) => operation),
      ['take'],
    )
    await store.answer()
    assert.equal(remainingOf(await after, 0), 7)
  })

  it('tells nobody of an outage because of one late call, and tells of one that lasts', async () => {
    const { ask, store, degraded } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    const verdict = ask()
    await settled()
    const late = await store.delay()
    assert.equal((await verdict).by, 'local')
    await late.answer()
    assert.deepEqual(degraded, [])
    store.setAway(true)
    assert.equal((await ask()).by, 'local')
    assert.deepEqual(degraded, [true])
  })

  it('tells the store once what it admitted alone, also when that fails at first', async () => {
    const { ask, store } = await createSetting([gcra(10, 3600)], { strict: true, holds: true })
    store.setAway(true)
    for (let i = 0; i < 3; i++) assert.deepEqual(brief(await ask()), ['admitted', 'local'])
    store.setAway(false)
    await settled()
    assert.deepEqual(
      store.pending.map(({ operation, cost }) => [operation, cost]),
      [['add', 3]],
    )
    await store.fail()
    const verdict = ask({ cost: 0 })
    await settled()
    assert.deepEqual(
      store.pending.map(({ operation, cost }) => [operation, cost]),
      [
        ['add', 3],
        ['take', 0],
      ],
    )
    await store.answer()
    assert.equal(remainingOf(await verdict, 0), 7)
    await store.answer()
    assert.equal(store.pending.length, 0)
  })

  it('keeps the counts of limits that a change of tier leaves as they are', async () => {
    const { ask } = await createSetting([gcra(10, 3600, 10, 'hour')], { strict: true })
    await ask({ cost: 4 })
    const limitSet = createLimitSet([gcra(10, 3600, 10, 'hour'), gcra(5, 60, 5, 'minute')])
    const verdict = await ask({ limitSet })
    assert.deepEqual([remainingOf(verdict, 0), remainingOf(verdict, 1)], [5, 4])
  })

  it('refuses no longer than it should where the clock of the store steps back an hour', async () => {
    const limits = [gcra(10, 60, 1), sliding(2, 60), calendar(1_000)]
    const { ask, clock, stepBack } = await createSetting(limits, { strict: true })
    const other = { key: '{sluice:qos:all:consumer:bob}' }
    assert.equal((await ask()).outcome, 'admitted')
    assert.deepEqual(brief(await ask()), ['refused', 'store'])
    stepBack(3_600_000)
    await ask(other)
    const refused = await ask()
    assert.deepEqual(brief(refused), ['refused', 'store'])
    clock.advance(120_000)
    assert.equal((await ask()).outcome, 'admitted')
  })

  it('gives tokens back that lie unused, also where the clock of the store steps back an hour', async () => {
    const { ask, tick, stepBack } = await createSetting([gcra(1000, 3600)])
    let tokens = 0
    for (let i = 0; i < 100 && tokens === 0; i++) ({ tokens } = await ask())
    assert.ok(tokens > 0)
    stepBack(3_600_000)
    await ask({ key: '{sluice:qos:all:consumer:bob}' })
    await tick()
    // In the store the subject has used everything, as far as can be known, but for what was given back.
    assert.equal(remainingOf(await ask({ leaseTolerance: undefined, cost: 0 }), 0), tokens)
  })

  it('forgets what it remembers of a subject that an operator has reset', async () => {
    const { ask, store } = await createSetting([gcra(2, 3600)])
    for (let i = 0; i < 3; i++) await ask()
    assert.deepEqual(brief(await ask()), ['refused', 'memory'])
    await changeSubject(store, { key: KEY, action: 'reset', actor: 'ops', reason: 'test' }, 0)
    await settled()
    assert.deepEqual(brief(await ask()), ['admitted', 'store'])
  })

  it('asks the store about a cost that an operator may have made room for', async () => {
    const { ask, store, clock } = await createSetting([gcra(10, 3600)], { strict: true })
    const change = { key: KEY, action: 'set', limit: 'minute', requests: 20, burst: 20 } as const
    await changeSubject(store, { ...change, lastsMs: 60_000, actor: 'me', reason: 'sale' }, clock.now())
    assert.equal((await ask({ cost: 12 })).outcome, 'admitted')
  })

  it('admits alone what its limit admits at once, however many share it', async () => {
    const { ask, store } = await createSetting([gcra(5, 3600)], { strict: true, processes: 10 })
    store.setAway(true)
    assert.deepEqual(brief(await ask()), ['admitted', 'local'])
    assert.deepEqual(brief(await ask()), ['refused', 'local'])
  })

  it('takes neither tokens nor refusals nor states of one tier for those of another', async () => {
    const free = createLimitSet([gcra(10, 3600)])
    const gold = createLimitSet([gcra(1000, 3600, 1000, 'gold')])
    const account = createAccount(KEY, free)
    Object.assign(account, { tokens: 7, refusedUntilMicros: 1e15, refusedCost: 1 })
    useLimitSet(account, gold)
    assert.deepEqual([account.tokens, account.refusedUntilMicros], [0, 0])
    const { remembered } = account
    const late = { granted: 1, nowMicros: 1, overrun: [], overrides: '', generation: 'g', states: [5] }
    learn(account, late, free, 0)
    assert.equal(account.remembered, remembered)
    learn(account, late, gold, 0)
    assert.equal(account.remembered, late)
  })

  it('forgets no subject of which it owes or awaits something, and says which one it forgets', () => {
    const dropped: string[] = []
    const book = new AccountBook({
      maxAccounts: 4,
      outages: () => 0,
      onDrop: ({ key }) => dropped.push(key),
    })
    const limitSet = createLimitSet([gcra(10, 3600)])
    Object.assign(book.of('alone', limitSet), { local: { states: [], used: 1 } })
    Object.assign(book.of('asking', limitSet), { isAsking: true })
    Object.assign(book.of('in doubt', limitSet), { inDoubt: 1 })
    for (const key of ['a', 'b', 'c']) book.of(key, limitSet)
    assert.deepEqual([...book.all()].map(({ key }) => key).sort(), ['alone', 'asking', 'c', 'in doubt'])
    assert.deepEqual(dropped, ['a', 'b'])
  })

  it('bounds what it remembers, and keeps those in use', async () => {
    const { ask, store } = await createSetting([gcra(1, 3600)], { strict: true, maxAccounts: 50 })
    await ask()
    await ask()
    for (let i = 0; i < 2000; i++) {
      await ask({ key: `{sluice:qos:all:consumer:${i}}` })
      if (i % 10 === 0) assert.equal((await ask()).outcome, 'refused')
    }
    // The subject in use was never asked for again: its refusal is still remembered.
    assert.equal(store.calls, 2002)
  })

  it('survives a store that answers nonsense to an operator channel', async () => {
    const { ask, store } = await createSetting([gcra(2, 3600)], { strict: true })
    for (const message of ['', 'null', '{}', '{"key":1}', '[1]', 'x'.repeat(10_000)])
      await store.publish('sluice:qos:changed', message)
    await settled()
    assert.equal((await ask()).outcome, 'admitted')
  })
})

interface SettingOptions {
  readonly strict?: boolean
  readonly holds?: boolean
  readonly maxAccounts?: number
  /** How many processes share the store. */
  readonly processes?: number
}

async function createSetting(limits: readonly Limit[], options: SettingOptions = {}) {
  const clock = createTestClock()
  const { processes = 1 } = options
  const peers = { nodes: processes, processes, isSettled: true }
  // The store's clock may step, which its own process would not notice.
  let behindMs = 0
  const storeClock = { ...clock, monotonic: () => clock.monotonic() - behindMs }
  const store = createHeldStore(storeClock, options.holds ?? false, peers)
  const degraded: boolean[] = []
  const timers: (() => void)[] = []
  const decider = new Decider({
    store,
    clock,
    onDegraded: is => degraded.push(is),
    timers: {
      after: () => () => {},
      every(_, callback) {
        timers.push(callback)
        return () => {}
      },
    },
    ...(options.maxAccounts === undefined ? {} : { maxAccounts: options.maxAccounts }),
  })
  const tick = async () => {
    for (const callback of timers) callback()
    await settled()
  }
  const request: Request = { ...requestOf(limits), leaseTolerance: options.strict ? undefined : 0.05 }
  const ask = async (more: Partial<Request> = {}): Promise<Verdict> => decider.decide({ ...request, ...more })
  const stepBack = (ms: number) => {
    behindMs += ms
  }
  return { clock, store, decider, request, ask, tick, degraded, stepBack }
}

function requestOf(limits: readonly Limit[]): Omit<Request, 'leaseTolerance'> {
  return { key: KEY, limitSet: createLimitSet(limits), cost: 1, onStoreError: 'local' }
}

const brief = ({ outcome, by }: Verdict) => [outcome, by]
