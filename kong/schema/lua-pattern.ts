/** Character classes of Lua patterns, as the inside of a JavaScript class. */
const CLASSES: Readonly<Record<string, string>> = {
  a: 'A-Za-z',
  c: '\\x00-\\x1f\\x7f',
  d: '0-9',
  g: '\\x21-\\x7e',
  l: 'a-z',
  p: '!-\\/:-@\\[-`{-~',
  s: '\\s',
  u: 'A-Z',
  w: 'A-Za-z0-9',
  x: 'A-Fa-f0-9',
}

const escaped = (char: string): string => (/[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char)

/**
 * Translates a Lua pattern (Lua 5.1 reference manual, 5.4.1) to a regular expression. Knows everything but `%b` and
 * `%f`, which no schema of Kong uses.
 *
 * @throws SyntaxError when the pattern uses one of those or is malformed.
 */
export function compileLuaPattern(pattern: string): RegExp {
  let out = ''
  let i = 0
  if (pattern.startsWith('^')) {
    out = '^'
    i = 1
  }
  while (i < pattern.length) {
    const char = pattern[i]!
    let item: string
    if (char === '(' || char === ')') {
      out += char
      i++
      continue
    }
    if (char === '$' && i === pattern.length - 1) {
      out += '$'
      break
    }
    if (char === '[') [item, i] = readSet(pattern, i)
    else if (char === '%') [item, i] = [outsideSet(pattern[i + 1]), i + 2]
    else [item, i] = [char === '.' ? '[^]' : escaped(char), i + 1]
    const quantifier = pattern[i]
    if (quantifier !== undefined && '*+-?'.includes(quantifier)) {
      item += quantifier === '-' ? '*?' : quantifier
      i++
    }
    out += item
  }
  return new RegExp(out)
}

function outsideSet(letter: string | undefined): string {
  if (letter === undefined || letter === 'b' || letter === 'f')
    throw new SyntaxError(`the Lua pattern item %${letter ?? ''} is not known`)
  const set = CLASSES[letter.toLowerCase()]
  if (!set) return escaped(letter)
  return letter === letter.toLowerCase() ? `[${set}]` : `[^${set}]`
}

function readSet(pattern: string, start: number): [item: string, next: number] {
  let out = '['
  let i = start + 1
  if (pattern[i] === '^') {
    out += '^'
    i++
  }
  // A bracket directly behind the opening one is meant literally.
  for (let first = true; first || pattern[i] !== ']'; first = false) {
    const char = pattern[i]
    if (char === undefined) throw new SyntaxError(`the Lua pattern ${pattern} lacks a closing bracket`)
    if (char === '%') {
      const letter = pattern[i + 1] ?? ''
      out += CLASSES[letter] ?? escaped(letter)
      i += 2
    } else if (pattern[i + 1] === '-' && pattern[i + 2] !== undefined && pattern[i + 2] !== ']') {
      out += `${escaped(char)}-${escaped(pattern[i + 2]!)}`
      i += 3
    } else {
      out += escaped(char)
      i++
    }
  }
  return [`${out}]`, i + 1]
}
