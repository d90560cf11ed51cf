import assert from 'node:assert/strict'
import type { Consumer, KeyAuthCredential } from '../../../../kong/entities/entities.ts'
import { createMemoryState } from '../../../../kong/gateway/state/state.ts'

const consumer = (id: string, username: string): Consumer => ({
  id,
  username,
  custom_id: null,
  created_at: 1,
  updated_at: 1,
  tags: null,
})

const key = (id: string, owner: string, ttl: number | null = null): KeyAuthCredential => ({
  id,
  key: `key-of-${id}`,
  consumer: { id: owner },
  created_at: 1,
  tags: null,
  ttl,
})

describe('the state in memory', () => {
  it('finds entities by id, by unique field and by what they refer to', () => {
    const state = createMemoryState(() => 0)
    state.transact(tx => {
      tx.put('consumers', consumer('c1', 'jason'))
      tx.put('keyauth_credentials', key('k2', 'c1'))
      tx.put('keyauth_credentials', key('k1', 'c1'))
    })
    const snapshot = state.snapshot()
    assert.equal(snapshot.get('consumers', 'c1')?.username, 'jason')
    assert.equal(snapshot.find('consumers', 'username', 'jason')?.id, 'c1')
    assert.deepEqual(
      snapshot.referring('keyauth_credentials', 'consumer', 'c1').map(k => k.id),
      ['k1', 'k2'],
    )
  })

  it('keeps a snapshot as it was, and gives the same one until something changes', () => {
    const state = createMemoryState(() => 0)
    state.transact(tx => tx.put('consumers', consumer('c1', 'jason')))
    const before = state.snapshot()
    assert.equal(state.snapshot(), before)
    state.transact(tx => tx.put('consumers', consumer('c1', 'eddie')))
    assert.equal(before.find('consumers', 'username', 'jason')?.id, 'c1')
    assert.equal(state.snapshot().find('consumers', 'username', 'jason'), undefined)
    assert.equal(state.snapshot().find('consumers', 'username', 'eddie')?.id, 'c1')
    assert.equal(state.snapshot().version, before.version + 1)
  })

  it('undoes a whole change when a part of it throws, and tells nobody', () => {
    const state = createMemoryState(() => 0)
    state.transact(tx => tx.put('consumers', consumer('c1', 'jason')))
    const seen: number[] = []
    state.subscribe(version => seen.push(version))
    assert.throws(() =>
      state.transact(tx => {
        tx.put('consumers', consumer('c1', 'eddie'))
        tx.put('consumers', consumer('c2', 'jason'))
        tx.delete('consumers', 'c1')
        throw new Error('no')
      }),
    )
    assert.deepEqual(
      state
        .snapshot()
        .list('consumers')
        .map(c => c.username),
      ['jason'],
    )
    assert.equal(state.snapshot().find('consumers', 'username', 'jason')?.id, 'c1')
    assert.deepEqual(seen, [])
  })

  it('tells subscribers once per change until they leave', () => {
    const state = createMemoryState(() => 0)
    const seen: number[] = []
    const leave = state.subscribe(version => seen.push(version))
    state.transact(tx => {
      tx.put('consumers', consumer('c1', 'a'))
      tx.put('consumers', consumer('c2', 'b'))
    })
    leave()
    state.transact(tx => tx.delete('consumers', 'c1'))
    assert.deepEqual(seen, [1])
  })

  it('lets a credential expire from its creation on, also in a snapshot that was taken before', () => {
    let nowMs = 0
    const state = createMemoryState(() => nowMs)
    state.transact(tx => tx.put('keyauth_credentials', key('k1', 'c1', 10)))
    const snapshot = state.snapshot()
    nowMs = 2_500
    assert.equal(snapshot.find('keyauth_credentials', 'key', 'key-of-k1')?.ttl, 8)
    nowMs = 11_000
    assert.equal(snapshot.find('keyauth_credentials', 'key', 'key-of-k1'), undefined)
    assert.deepEqual(state.snapshot().list('keyauth_credentials'), [])
  })
})
