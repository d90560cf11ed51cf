import assert from 'node:assert/strict'
import { createInstanceTable } from '../../../plugin-server/runtime/instance-table.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the table of instances', () => {
  const never = () => 0

  it('gives one id to equal configurations, and its own to each other one', () => {
    const table = createInstanceTable(createTestClock(), 41)
    assert.deepEqual(table.start('a', 'entity'), { id: 42, isNew: true })
    assert.deepEqual(table.start('a', 'entity'), { id: 42, isNew: false })
    assert.deepEqual(table.start('b', 'entity'), { id: 43, isNew: true })
  })

  it('never gives 0, which ProtoBuf leaves out, and goes on behind the largest int32', () => {
    const table = createInstanceTable(createTestClock(), 0x7fff_fffe)
    assert.equal(table.start('a', 'e').id, 0x7fff_ffff)
    assert.equal(table.start('b', 'e').id, 1)
  })

  it('keeps a closed instance for a minute, since a request may already hold its id', () => {
    const clock = createTestClock()
    const table = createInstanceTable(clock, 1)
    const { id } = table.start('a', 'e')
    table.close(id)
    clock.advance(59_000)
    assert.deepEqual(table.collect(never), [])
    clock.advance(2_000)
    assert.deepEqual(table.collect(never), [id])
    assert.equal(table.start('a', 'e').isNew, true)
  })

  it('keeps what all but one of Kong’s workers closed', () => {
    const clock = createTestClock()
    const table = createInstanceTable(clock, 1)
    const { id } = table.start('a', 'e')
    table.start('a', 'e')
    table.close(id)
    clock.advance(300_000)
    assert.deepEqual(table.collect(never), [])
  })

  it('keeps a configuration that was replaced and has come back', () => {
    const clock = createTestClock()
    const table = createInstanceTable(clock, 1)
    for (const key of ['old', 'new', 'old']) table.start(key, 'e')
    clock.advance(601_000)
    assert.deepEqual(table.collect(never), [])
  })

  it('counts who uses an instance from nobody on, however often it was closed', () => {
    const clock = createTestClock()
    const table = createInstanceTable(clock, 1)
    const { id } = table.start('a', 'e')
    for (let i = 0; i < 3; i++) table.close(id)
    for (let i = 0; i < 2; i++) table.start('a', 'e')
    clock.advance(300_000)
    assert.deepEqual(table.collect(never), [])
  })

  it('forgets a replaced configuration after ten minutes without an event', () => {
    const clock = createTestClock()
    const table = createInstanceTable(clock, 1)
    const { id } = table.start('old', 'e')
    table.start('new', 'e')
    clock.advance(601_000)
    const usedJustNow = clock.now()
    assert.deepEqual(
      table.collect(() => usedJustNow),
      [],
    )
    clock.advance(601_000)
    assert.deepEqual(
      table.collect(() => usedJustNow),
      [id],
    )
  })
})
