import { createRequire } from 'node:module'

type Parse = (code: string, options: Readonly<Record<string, unknown>>) => unknown

const require = createRequire(import.meta.url)

/** The parser is loaded when the first function is checked: few configurations hold any. */
let parse: Parse | undefined

/** Why LuaJIT would not load a piece of code, in its words; nothing where it is fine. */
export function luaFault(code: string): string | undefined {
  parse ??= (require('luaparse') as { readonly parse: Parse }).parse
  try {
    parse(code, { luaVersion: 'LuaJIT', comments: false, scope: false })
    return undefined
  } catch (error) {
    const [, line = '1', fault = String(error)] =
      (error instanceof Error ? /^\[(\d+):\d+\] (.*)$/s.exec(error.message) : undefined) ?? []
    return `[string "${chunkName(code)}"]:${line}: ${inWordsOfLua(fault)}`
  }
}

const inWordsOfLua = (fault: string): string =>
  fault
    .replace(/^<expression> expected near/, 'unexpected symbol near')
    .replace(/^unexpected \w+ ('.*') near '.*'$/s, "'<eof>' expected near $1")

/** The first line, 45 characters at most. */
function chunkName(code: string): string {
  const [line = ''] = code.split(/\r|\n/, 1)
  const shown = line.slice(0, 45)
  return shown === code ? shown : `${shown}...`
}
