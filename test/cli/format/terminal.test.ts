import assert from 'node:assert/strict'
import { WriteStream } from 'node:tty'
import { wantsColour } from '../../../cli/format/terminal.ts'

describe('colours', () => {
  const terminal = Object.assign(Object.create(WriteStream.prototype) as WriteStream, { isTTY: true })

  it('are for terminals that have them, and for nobody who says NO_COLOR', () => {
    assert.equal(wantsColour(terminal, { TERM: 'xterm-256color' }), true)
    assert.equal(wantsColour(terminal, { TERM: 'xterm-256color', NO_COLOR: '1' }), false)
    assert.equal(wantsColour(terminal, { TERM: 'dumb' }), false)
    assert.equal(wantsColour({ isTTY: false }, { TERM: 'xterm-256color' }), false)
  })
})
