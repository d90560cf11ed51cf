import assert from 'node:assert/strict'
import { luaFault } from '../../../kong/entities/lua.ts'

describe('Lua in a configuration', () => {
  for (const code of [
    'return function() kong.log("x") end',
    'x = 0xffULL',
    'goto done ::done::',
    '-- nothing',
  ])
    it(`is fine where LuaJIT loads it: ${code}`, () => assert.equal(luaFault(code), undefined))

  /** What a LuaJIT 2.1 says of each. */
  const FAULTS: readonly (readonly [code: string, fault: string])[] = [
    ['return (', `[string "return ("]:1: unexpected symbol near '<eof>'`],
    ['x = = 1', `[string "x = = 1"]:1: unexpected symbol near '='`],
    ['if a then', `[string "if a then"]:1: 'end' expected near '<eof>'`],
    ['return 1 2', `[string "return 1 2"]:1: '<eof>' expected near '2'`],
    ['a.b:c', `[string "a.b:c"]:1: function arguments expected near '<eof>'`],
    ['x = 1\ny = = 2', `[string "x = 1..."]:2: unexpected symbol near '='`],
    [
      `x = 1 y = = ${'2'.repeat(60)}`,
      `[string "x = 1 y = = ${'2'.repeat(33)}..."]:1: unexpected symbol near '='`,
    ],
  ]
  for (const [code, fault] of FAULTS)
    it(`is refused as LuaJIT does: ${code.slice(0, 20)}`, () => assert.equal(luaFault(code), fault))
})
