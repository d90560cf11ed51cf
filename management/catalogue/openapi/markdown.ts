/** Texts of services stand on a page of the gateway: Markdown without HTML, and without links that run something. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/
/** Of CommonMark: a tag, a comment, a declaration, a processing instruction. */
const HTML = /<(?:\/?[a-z][^<>]*|!--[\s\S]*?--|![a-z][^<>]*|\?[\s\S]*?\?|!\[CDATA\[[\s\S]*?\]\])>/gi
const AUTOLINK = /<(?:https?:\/\/|mailto:)[^\s<>]*>/gi
/** Where Markdown names an address: `](…` and `[name]: …`. Browsers skip white space and control characters in a scheme. */
const LINK = /(\]\(\s*<?|^\s{0,3}\[[^\]]+\]:\s*<?)((?:[^\s()>]|\([^\s()]*\))*)/gm
const SAFE = /^(?:https?:|mailto:|(?!\/\/)[^:]*$)/i

/** @returns the text with its code as it was, HTML elsewhere removed */
export function withoutHtml(text: string): string {
  const blocks: string[] = []
  let prose: string[] = []
  let fence: string | undefined
  const flush = () => {
    if (prose.length > 0) blocks.push(cleanProse(prose.join('\n')))
    prose = []
  }
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1]
    if (fence === undefined && mark !== undefined) flush()
    if (fence === undefined && mark === undefined) prose.push(line)
    else blocks.push(line)
    if (fence === undefined) fence = mark
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined
  }
  flush()
  return blocks.join('\n')
}

/** Code spans are left alone: runs of backticks of one length enclose them. */
function cleanProse(text: string): string {
  let cleaned = ''
  let at = 0
  for (const { index, 0: span } of text.matchAll(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g)) {
    cleaned += cleanText(text.slice(at, index)) + span
    at = index + span.length
  }
  return cleaned + cleanText(text.slice(at))
}

function cleanText(text: string): string {
  const links: string[] = []
  // An address in brackets is no tag: kept aside between characters for private use.
  let cleaned = text
    .replace(/[\uE000\uE001]/g, '')
    .replace(AUTOLINK, link => `\uE000${links.push(link) - 1}\uE001`)
  for (let before = ''; before !== cleaned; ) {
    before = cleaned
    cleaned = cleaned.replace(HTML, '')
  }
  return cleaned
    .replace(/<(?=[a-z/!?])/gi, '&lt;')
    .replace(LINK, (whole, opening: string, target: string) => (isSafe(target) ? whole : `${opening}#`))
    .replace(/\uE000(\d+)\uE001/g, (_, index: string) => links[Number(index)] ?? '')
}

/** Character references would be resolved behind our back. */
const isSafe = (target: string) =>
  SAFE.test(target.replace(/[\p{Cc}\p{Z}]/gu, '')) && !/&(?:#|colon|tab|newline)/i.test(target)

/** For texts that are no Markdown at all: titles and names. */
export const plainText = (text: string): string => withoutHtml(text).replace(/\s+/g, ' ').trim()
