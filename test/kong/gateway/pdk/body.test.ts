import assert from 'node:assert/strict'
import { parseBody } from '../../../../kong/gateway/pdk/body.ts'

const parse = (body: string, type: string, max = 100) => parseBody(Buffer.from(body), type, max)

describe('a body that a plugin wants as values', () => {
  it('may be a form, with values that come several times and arguments without one', () => {
    assert.deepEqual(parse('a=1&a=2&b&c=x+y%C3%BC', 'application/x-www-form-urlencoded; charset=utf-8'), {
      a: ['1', '2'],
      b: true,
      c: 'x yü',
    })
    assert.deepEqual(parse('a=1&b=2&c=3', 'application/x-www-form-urlencoded', 2), { a: '1', b: '2' })
  })

  it('may be a JSON object or list, and nothing else that JSON knows', () => {
    assert.deepEqual(parse('{"a":[1]}', 'Application/JSON'), { a: [1] })
    for (const body of ['5', '"x"', 'null', '{', '']) assert.equal(parse(body, 'application/json'), undefined)
  })

  it('may be a form of many parts', () => {
    const part = (head: string, value: string) =>
      `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`
    const body = `${part('name="a"', '1')}${part('name="a"', '2')}${part('name="f"; filename="x.txt"', 'tëxt')}--b--\r\n`
    assert.deepEqual(parse(body, 'multipart/form-data; boundary=b'), { a: ['1', '2'], f: 'tëxt' })
    assert.equal(parse(body, 'multipart/form-data'), undefined)
  })

  it('keeps a field that bears the name of a prototype a field', () => {
    const body = '--b\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nx\r\n--b--'
    const values = parse(body, 'multipart/form-data; boundary=b') as object
    assert.equal(Object.getPrototypeOf(values), Object.prototype)
    assert.deepEqual(Object.keys(values), ['__proto__'])
  })

  it('is nothing in any other type', () => {
    assert.equal(parse('x', 'text/plain'), undefined)
  })
})
