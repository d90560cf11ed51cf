import assert from 'node:assert/strict'
import { createProgress } from '../../../cli/format/progress.ts'

function output(isTTY: boolean) {
  const written: string[] = []
  const write = (text: string) => {
    written.push(text)
    return true
  }
  return { written, stream: { isTTY, columns: 20, write } as unknown as NodeJS.WriteStream }
}

describe('the progress of an apply', () => {
  it('is one line a change where nobody watches', () => {
    const { written, stream } = output(false)
    const progress = createProgress(2, stream, false)
    progress.step('+ service a')
    progress.note('trying again')
    progress.step('+ service b')
    progress.end()
    assert.deepEqual(written, ['+ service a\n', 'trying again\n', '+ service b\n'])
  })

  it('is one line that moves on a terminal, cut to its width', () => {
    const { written, stream } = output(true)
    const progress = createProgress(1, stream, false)
    progress.step('+ service with a long name')
    progress.end()
    assert.deepEqual(written, ['\r\u001b[K1/1 + service with ', '\r\u001b[K'])
  })

  it('is silent where the output is JSON', () => {
    const { written, stream } = output(false)
    const progress = createProgress(1, stream, true)
    progress.step('+ service a')
    progress.end()
    assert.deepEqual(written, [])
  })
})
