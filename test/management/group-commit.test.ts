import assert from 'node:assert/strict'
import { GroupCommit } from '../../management/changes/group-commit.ts'

/** Commits that end when the test says so. */
function heldCommits() {
  const groups: { readonly items: readonly number[]; end(error?: Error): void }[] = []
  const commits = new GroupCommit<number>(
    items =>
      new Promise((resolve, reject) => {
        groups.push({ items, end: error => (error ? reject(error) : resolve()) })
      }),
  )
  return { groups, commits }
}

const settled = () => new Promise<void>(resolve => setImmediate(resolve))

describe('a group commit', () => {
  it('takes together what comes at once, and what comes while it commits', async () => {
    const { groups, commits } = heldCommits()
    const durable: number[] = []
    const add = (item: number) => commits.add(item).then(() => durable.push(item))
    const all = [add(1), add(2)]
    await settled()
    all.push(add(3), add(4))
    await settled()
    assert.deepEqual([groups.map(({ items }) => items), durable], [[[1, 2]], []])
    groups[0]?.end()
    await settled()
    assert.deepEqual(
      [groups.map(({ items }) => items), durable],
      [
        [
          [1, 2],
          [3, 4],
        ],
        [1, 2],
      ],
    )
    groups[1]?.end()
    await Promise.all(all)
    assert.deepEqual(durable, [1, 2, 3, 4])
  })

  it('rejects what was in the group that failed, and nothing else', async () => {
    const { groups, commits } = heldCommits()
    const outcomes = Promise.allSettled([commits.add(1), commits.add(2)])
    await settled()
    const later = commits.add(3)
    groups[0]?.end(new Error('the lease is lost'))
    await settled()
    groups[1]?.end()
    await later
    assert.deepEqual(
      (await outcomes).map(one => (one.status === 'rejected' ? String(one.reason) : 'durable')),
      ['Error: the lease is lost', 'Error: the lease is lost'],
    )
    const again = commits.add(4)
    await settled()
    groups[2]?.end()
    await again
  })
})
