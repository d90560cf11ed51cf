import assert from 'node:assert/strict'
import fc from 'fast-check'
import { storedJson as canonicalJson } from '../../events/stored-json.ts'
import { createCanonicalJson, canonicalJson as plainJson } from '../../foundation/canonical-json.ts'

describe('the canonical JSON', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string())

  it('writes texts and names as ECMAScript does', () => {
    fc.assert(
      fc.property(texts, text => {
        fc.pre(Buffer.from(text).toString() === text && !text.includes('\0'))
        assert.equal(canonicalJson(text), JSON.stringify(text))
        assert.equal(canonicalJson({ [text]: text }), JSON.stringify({ [text]: text }))
      }),
    )
  })

  it('writes each ASCII character as ECMAScript does', () => {
    for (let code = 1; code < 128; code++) {
      const text = `a${String.fromCharCode(code)}b`
      assert.equal(canonicalJson(text), JSON.stringify(text))
    }
  })

  it('gives a text that has the same canonical form, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const text = canonicalJson(value)
        assert.equal(canonicalJson(JSON.parse(text)), text)
      }),
    )
  })

  it('sorts members by UTF-16 code units, in every depth, and leaves out those without a value', () => {
    const value = { b: 1, a: { '\u{1f600}': 1, '\ufb01': 2, Z: 3 }, aa: undefined, c: [{ y: 1, x: 2 }] }
    assert.equal(canonicalJson(value), '{"a":{"Z":3,"\u{1f600}":1,"\ufb01":2},"b":1,"c":[{"x":2,"y":1}]}')
  })

  it('does not mix up records that have as many members under other names, or in another order', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', '"', 'é', '\u{1f600}'), {
      minLength: 3,
      maxLength: 3,
    })
    fc.assert(
      fc.property(fc.array(names), records => {
        for (const record of records) {
          const text = record.toSorted().map(name => `${JSON.stringify(name)}:${JSON.stringify(name)}`)
          assert.equal(canonicalJson(Object.fromEntries(record.map(name => [name, name]))), `{${text}}`)
        }
      }),
    )
  })

  it('replaces what jsonb cannot hold', () => {
    assert.equal(canonicalJson('a\0b'), '"a\\\\u0000b"')
    assert.equal(canonicalJson('a\ud800b\udc00'), '"a\ufffdb\ufffd"')
    assert.equal(canonicalJson([Number.NaN, Number.POSITIVE_INFINITY, -0]), '[null,null,0]')
  })

  it('writes every string as it is, where nothing is to be replaced', () => {
    assert.equal(plainJson('a\0b'), '"a\\u0000b"')
    assert.notEqual(plainJson('\0'), plainJson('\\u0000'))
    let deep: unknown = 'end'
    for (let i = 0; i < 100; i++) deep = { deep }
    assert.match(plainJson(deep), /"end"/)
  })

  it('leaves out members that are null where they mean nothing', () => {
    const write = createCanonicalJson({ skipNull: true })
    assert.equal(write({ b: null, a: [null, { c: null }] }), '{"a":[null,{}]}')
  })
})
