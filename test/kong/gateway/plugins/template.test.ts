import assert from 'node:assert/strict'
import { compileTemplate, type Names } from '../../../../kong/gateway/plugins/template.ts'

const NAMES: Names = {
  headers: name => ({ 'x-in': 'in', x_under: 'u', n: 'a)b' })[String(name)],
  query_params: name => ({ q: ['1', '2'], flag: true })[String(name)],
  uri_captures: name => (name === 1 ? 'first' : name === 'id' ? '42' : undefined),
  shared: () => undefined,
}

const render = (template: string) => compileTemplate(template)(NAMES)

describe('a template of request-transformer', () => {
  it('leaves plain text alone', () => {
    assert.equal(render('plain (text) $ and #'), 'plain (text) $ and #')
  })

  it('puts in what fields hold, and nothing for what is not there', () => {
    assert.equal(render('/item/$(uri_captures.id)/$(uri_captures[1])'), '/item/42/first')
    assert.equal(render('$(headers["x-in"])$(headers.nothing)$(shared.x)'), 'in')
    assert.equal(render("$(headers['n'])!"), 'a)b!')
  })

  it('reads or, and, not, comparisons, joins and parentheses as Lua does', () => {
    assert.equal(render('$(headers.nothing or "none")'), 'none')
    assert.equal(render('$(headers.x_under and "yes" or "no")'), 'yes')
    assert.equal(render('$("a" .. uri_captures.id .. 5)'), 'a425')
    assert.equal(render('$((headers.x_under == "u") and "same")'), 'same')
    assert.equal(render('$(not headers.nothing)'), 'true')
    assert.equal(render('$(headers.x_under ~= "u")'), 'false')
    assert.equal(render('$(nil or false or "third")'), 'third')
  })

  it('refuses what it does not understand, by its text', () => {
    for (const template of ['$(string.upper(headers.x))', '$(1 +)', '$(', '$(headers.)', '$(a b)'])
      assert.throws(() => compileTemplate(template), SyntaxError)
    assert.throws(() => compileTemplate('x$(a:b())'), /\$\(a:b\(\)\) is not supported by this gateway/)
  })
})
