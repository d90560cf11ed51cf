import assert from 'node:assert/strict'
import { compileLuaPattern } from '../../../kong/schema/lua-pattern.ts'

describe('a Lua pattern', () => {
  const cases: readonly (readonly [
    pattern: string,
    matches: readonly string[],
    misses: readonly string[],
  ])[] = [
    ['^%u+$', ['GET'], ['get', 'G1', '']],
    ['^[^*]*%*?[^*]*$', ['*.a', 'a', 'a.*'], ['*.*']],
    ['%.%*$', ['a.*'], ['a.*b']],
    ['^%d+[%.%d]*$', ['1.2.3', '7'], ['a1']],
    ['^[%w%.%-%_~]+$', ['a-b_c.d~'], ['a b', 'a/b']],
    ['^a.-b$', ['ab', 'axxb'], ['ba']],
    ['^[]x]$', [']', 'x'], ['y']],
    ['^[a-c%d]+$', ['abc123'], ['d']],
    ['a/b|c{2}', ['a/b|c{2}'], ['a/b', 'cc']],
    ['^%S+$', ['ab'], ['a b']],
    ['^(%a)(%d)$', ['a1'], ['1a']],
    ['^[^%s]$', ['x'], [' ']],
  ]
  for (const [pattern, matches, misses] of cases)
    it(`${pattern} means in JavaScript what it means in Lua`, () => {
      const regex = compileLuaPattern(pattern)
      for (const text of matches) assert.ok(regex.test(text), `${regex} should match ${text}`)
      for (const text of misses) assert.ok(!regex.test(text), `${regex} should not match ${text}`)
    })

  it('with balances or frontiers is refused rather than misread', () => {
    assert.throws(() => compileLuaPattern('%b()'), SyntaxError)
    assert.throws(() => compileLuaPattern('%f[%w]'), SyntaxError)
  })
})
