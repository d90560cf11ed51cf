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
    // no-color.org: "when present and not an empty string".
    assert.equal(wantsColour(terminal, { TERM: 'xterm-256color', NO_COLOR: '' }), true)
  })

  it('are as FORCE_COLOR says, wherever the output goes', () => {
    assert.equal(wantsColour({ isTTY: false }, { FORCE_COLOR: '1' }), true)
    assert.equal(wantsColour({ isTTY: false }, { FORCE_COLOR: '' }), false)
    for (const no of ['0', 'false'])
      assert.equal(wantsColour(terminal, { TERM: 'xterm-256color', FORCE_COLOR: no }), false)
  })
})
