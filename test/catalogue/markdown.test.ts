import assert from 'node:assert/strict'
import fc from 'fast-check'
import createMarkdownIt from 'markdown-it'
import { withoutHtml } from '../../management/catalogue/openapi/markdown.ts'

/** As a page would show it that trusts its text: HTML is left in, and every address is taken. */
function trusting() {
  const renderer = createMarkdownIt({ html: true, linkify: false })
  renderer.validateLink = () => true
  return renderer
}

describe('a text of a service', () => {
  const cases: [text: string, wanted: string][] = [
    ['**plain** _Markdown_ & [link](https://a.example)', '**plain** _Markdown_ & [link](https://a.example)'],
    ['<b>bold</b> and <br/>', 'bold and '],
    ['a < b and b > a', 'a < b and b > a'],
    ['`<b>` and ``a ` <i>``', '`<b>` and ``a ` <i>``'],
    ['```html\n<b>\n```\n<b>x</b>', '```html\n<b>\n```\nx'],
    ['<https://a.example> <mailto:a@a.example>', '<https://a.example> <mailto:a@a.example>'],
    ['<javascript:alert(1)>', ''],
    ['<<b>script>alert(1)<</b>/script>', 'alert(1)'],
    ['<img src=x onerror=alert(1)', '&lt;img src=x onerror=alert(1)'],
    ['[a](javascript:alert) [b]( JavaScript:x) [c](data:text/html,x)', '[a](#) [b]( #) [c](#)'],
    ['[a](java&#115;cript:x) [b](/ok) [c](//elsewhere.example)', '[a](#) [b](/ok) [c](#)'],
    ['[a]\n\n[a]: javascript:alert(1)', '[a]\n\n[a]: #'],
    ['<!-- gone --> <!DOCTYPE html> <?php x ?>', '  '],
  ]
  for (const [text, wanted] of cases)
    it(`${JSON.stringify(text)} becomes ${JSON.stringify(wanted)}`, () =>
      assert.equal(withoutHtml(text), wanted))

  it('never makes a page run anything, also one that trusts it', () => {
    const renderer = trusting()
    const piece = fc.constantFrom(
      ...[
        '<',
        '>',
        '/',
        '!',
        '--',
        '`',
        '``',
        '```',
        '~~~',
        '\n',
        '\n\n',
        ' ',
        '    ',
        '"',
        "'",
        '=',
        '&lt;',
        '&#60;',
      ],
      ...[
        'script',
        'b',
        'img src=x',
        'onerror=y',
        '[a]',
        '[a]:',
        '](',
        ')',
        '(',
        'javascript:',
        'https://a',
        'x',
        '\\',
        '> ',
        '- ',
        '\uE0000\uE001',
      ],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), pieces => {
        const html = renderer.render(withoutHtml(pieces.join('')))
        const tags = html.match(/<[a-z!?][^>]*>/gi) ?? []
        for (const tag of tags)
          assert.match(tag, /^<(p|code|pre|a|em|strong|blockquote|ul|ol|li|h[1-6]|hr|br|img|s)\b/i, html)
        assert.doesNotMatch(html, /<[^>]*(\sonerror=|(href|src)="\s*javascript:)[^>]*>/i)
        assert.doesNotMatch(html, /<(img src=x|b)\b/i)
      }),
      { numRuns: 3_000 },
    )
  })
})
