/**
 * Faults of regular expressions as Kong tells them. Kong compiles a route's regex twice: by PCRE2, and by Rust's
 * `regex` in its router, which knows neither look-around nor back references.
 */

/** A fault and where PCRE2 saw it; without a place it saw it at the end. */
interface Fault {
  readonly reason: string
  readonly at?: number
}

/** Kong's sentence about a regex that PCRE2 does not compile. */
export function pcreComplaint(regex: string): string | undefined {
  const fault = findFault(regex)
  if (!fault) return undefined
  const place = fault.at !== undefined && fault.at < regex.length ? ` at "${regex.slice(fault.at)}"` : ''
  return `invalid regex: '${regex}' (PCRE returned: pcre2_compile() failed: ${fault.reason} in "${regex}"${place})`
}

const NAME = /\(\?(?:P?<|')([^>')]*)/y
const QUANTIFIER = /[*+?]|\{(\d+)(?:,(\d*))?\}/y
const GROUP_OPTION = /\(\?(?:[:=!>|#&+\-R\d]|<[=!]|P[>=]|C\d*\)|\(|[imsxnJU^-]+[:)])/y

/** Finds what is commonly wrong: parentheses, classes, quantifiers, ranges, names. */
function findFault(regex: string): Fault | undefined {
  const names = new Set<string>()
  let open = 0
  // Whether a quantifier may stand here, and whether one has just stood.
  let repeatable = false
  for (let i = 0; i < regex.length; ) {
    const char = regex[i]!
    if (char === '\\') {
      if (i + 1 === regex.length) return { reason: '\\ at end of pattern' }
      i += 2
      repeatable = true
    } else if (char === '[') {
      const set = readSet(regex, i)
      if ('reason' in set) return set
      i = set.end
      repeatable = true
    } else if (char === '(') {
      const group = readGroup(regex, i, names)
      if ('reason' in group) return group
      open++
      i = group.end
      repeatable = false
    } else if (char === ')') {
      if (open === 0) return { reason: 'unmatched closing parenthesis', at: i }
      open--
      i++
      repeatable = true
    } else {
      const quantifier = sticky(QUANTIFIER, regex, i)
      if (!quantifier) {
        repeatable = char !== '|' && char !== '^'
        i++
        continue
      }
      const wrong = checkQuantifier(quantifier, repeatable, i)
      if (wrong) return wrong
      i += quantifier[0].length
      // One more sign makes it lazy or possessive; a third has nothing to repeat.
      if (regex[i] === '?' || regex[i] === '+') i++
      repeatable = false
    }
  }
  return open > 0 ? { reason: 'missing closing parenthesis' } : undefined
}

function sticky(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

function checkQuantifier(quantifier: RegExpExecArray, repeatable: boolean, at: number): Fault | undefined {
  if (!repeatable) return { reason: 'quantifier does not follow a repeatable item', at }
  const [text, low, high] = quantifier
  const end = at + text.length - 1
  if (Number(low ?? 0) > 65_535 || Number(high ?? 0) > 65_535)
    return { reason: 'number too big in {} quantifier', at: end }
  if (low !== undefined && high && Number(high) < Number(low))
    return { reason: 'numbers out of order in {} quantifier', at: end }
  return undefined
}

function readGroup(regex: string, start: number, names: Set<string>): { end: number } | Fault {
  if (regex[start + 1] !== '?') return { end: start + 1 }
  if (start + 2 >= regex.length) return { reason: 'missing closing parenthesis' }
  const option = sticky(GROUP_OPTION, regex, start)
  if (option) {
    const closed = option[0].endsWith(')')
    return { end: start + option[0].length - (closed ? 1 : 0) }
  }
  const named = sticky(NAME, regex, start)
  if (!named) return { reason: 'unrecognized character after (? or (?-', at: start + 2 }
  const name = named[1]!
  const nameStart = start + named[0].length - name.length
  if (/^\d/.test(name)) return { reason: 'subpattern name must start with a non-digit', at: nameStart }
  const word = /^\w*/.exec(name)![0]
  const next = nameStart + name.length
  if (word !== name || next >= regex.length)
    return { reason: 'syntax error in subpattern name (missing terminator?)', at: nameStart + word.length }
  if (names.has(name))
    return {
      reason: 'two named subpatterns have the same name (PCRE2_DUPNAMES not set)',
      at: next + 1,
    }
  names.add(name)
  return { end: next + 1 }
}

function readSet(regex: string, start: number): { end: number } | Fault {
  let i = start + 1
  if (regex[i] === '^') i++
  // A bracket directly behind the opening one is meant literally.
  for (let first = true; i < regex.length; first = false) {
    if (regex[i] === ']' && !first) return { end: i + 1 }
    const posix = /^\[:\^?[a-z]+:\]/.exec(regex.slice(i))
    if (posix) i += posix[0].length
    else if (regex[i] === '\\') i += 2
    else {
      const high = regex[i + 2]
      if (regex[i + 1] === '-' && high !== undefined && high !== ']' && high !== '\\' && high < regex[i]!)
        return { reason: 'range out of order in character class', at: i + 2 }
      i++
    }
  }
  return { reason: 'missing terminating ] for character class' }
}

/** A fault that Rust's parser finds, with the signs that it marks. */
export interface RustFault {
  readonly at: number
  readonly length: number
  readonly reason: string
}

const RUST_FAULTS: readonly (readonly [fault: RegExp, reason: string])[] = [
  [/\(\?[=!]/, 'look-around, including look-ahead and look-behind, is not supported'],
  [/(?<=\(\?P<)[=!]/, 'invalid capture group character'],
  [/\\[1-9]/, 'backreferences are not supported'],
  [/(?<=\{)[^\d}](?=[^}]*\})/, 'repetition quantifier expects a valid decimal'],
  [/\{[^}]*$/, 'unclosed counted repetition'],
]

/** What Rust's `regex` does not take, although PCRE2 does: the first such place. */
export function rustFault(regex: string): RustFault | undefined {
  // Escaped signs and what stands in brackets mean themselves.
  const masked = regex
    .replace(/\\[^1-9pPx]/g, '..')
    .replace(/\\[pPx]\{[^}]*\}/g, text => '.'.repeat(text.length))
    .replace(/\[\^?\]?[^\]]*\]/g, text => '.'.repeat(text.length))
  let first: RustFault | undefined
  for (const [fault, reason] of RUST_FAULTS) {
    const match = fault.exec(masked)
    if (match && (!first || match.index < first.at))
      first = { at: match.index, length: match[0].length, reason }
  }
  return first
}
