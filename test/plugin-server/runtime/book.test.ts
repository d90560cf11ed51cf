import assert from 'node:assert/strict'
import { createBook } from '../../../plugin-server/runtime/book.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the book of instances', () => {
  const never = () => 0

  it('gives one id to equal configurations, and its own to each other one', () => {
    const book = createBook(createTestClock(), 41)
    assert.deepEqual(book.start('a', 'entity'), { id: 42, isNew: true })
    assert.deepEqual(book.start('a', 'entity'), { id: 42, isNew: false })
    assert.deepEqual(book.start('b', 'entity'), { id: 43, isNew: true })
  })

  it('never gives 0, which ProtoBuf leaves out, and goes on behind the largest int32', () => {
    const book = createBook(createTestClock(), 0x7fff_fffe)
    assert.equal(book.start('a', 'e').id, 0x7fff_ffff)
    assert.equal(book.start('b', 'e').id, 1)
  })

  it('keeps a closed instance for a minute, since a request may already hold its id', () => {
    const clock = createTestClock()
    const book = createBook(clock, 1)
    const { id } = book.start('a', 'e')
    book.close(id)
    clock.advance(59_000)
    assert.deepEqual(book.collect(never), [])
    clock.advance(2_000)
    assert.deepEqual(book.collect(never), [id])
    assert.equal(book.start('a', 'e').isNew, true)
  })

  it('keeps what all but one of Kong’s workers closed', () => {
    const clock = createTestClock()
    const book = createBook(clock, 1)
    const { id } = book.start('a', 'e')
    book.start('a', 'e')
    book.close(id)
    clock.advance(300_000)
    assert.deepEqual(book.collect(never), [])
  })

  it('forgets a replaced configuration after ten minutes without an event', () => {
    const clock = createTestClock()
    const book = createBook(clock, 1)
    const { id } = book.start('old', 'e')
    book.start('new', 'e')
    clock.advance(601_000)
    const usedJustNow = clock.now()
    assert.deepEqual(
      book.collect(() => usedJustNow),
      [],
    )
    clock.advance(601_000)
    assert.deepEqual(
      book.collect(() => usedJustNow),
      [id],
    )
  })
})
