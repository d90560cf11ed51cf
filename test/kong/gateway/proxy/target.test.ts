import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'

/** As a Kong 3.9.3 without routes answered. */
const ANSWERS: Readonly<Record<string, 400 | 404>> = {
  '/../x': 400,
  '/a/../../x': 400,
  '/a/..//../x': 400,
  '/%2e%2e/x': 400,
  '/a/%2e%2e/%2e%2e/x': 400,
  '/a%2f..%2f..%2fx': 400,
  '/..': 400,
  '/..x': 404,
  '/...': 404,
  '/./../x': 400,
  '//../x': 400,
  '/a//../../x': 400,
  '/a/b/../../..': 400,
  '/a/..': 404,
  '/a?/../../x': 404,
  '/a/../..#x': 400,
  '/%2E./x': 400,
  '/..%2fx': 400,
  '/..?x': 400,
  '/..;x': 404,
  '/a/..?b': 404,
  '/a#b': 404,
  '/a#/../../b': 404,
  '/a/.%2e/../x': 400,
  '/a\\..\\..\\x': 404,
}

describe('the target of a request', () => {
  let gateway: RunningGateway
  before(async () => {
    gateway = await startTestGateway()
  })
  after(() => gateway.close())

  for (const [target, status] of Object.entries(ANSWERS))
    it(`${target} is ${status === 400 ? 'refused' : 'taken'}`, async () => {
      const answered = await new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', port: gateway.proxyPort, path: target, agent: false }
        httpRequest(options, response => resolve(response.resume().statusCode))
          .on('error', reject)
          .end()
      })
      assert.equal(answered, status)
    })
})
