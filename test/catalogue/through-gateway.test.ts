import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser } from 'playwright-core'
import type { ApiList } from '../../management/catalogue/list.ts'
import { useBrowser } from '../support/browser.ts'
import { newUser } from '../support/sample-platform.ts'
import { runSchemathesis, SCHEMATHESIS_MS, type SchemathesisRun } from '../support/schemathesis.ts'
import { START_MS } from '../support/services.ts'
import { openShop, type Shop } from '../support/shop.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core's script adds to the page. */
interface InPage {
  axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
}

describe('the catalogue, through the gateway', function () {
  this.timeout(SCHEMATHESIS_MS)
  let shop: Shop
  let documented: Promise<SchemathesisRun>
  before(async function () {
    this.timeout(START_MS)
    shop = await openShop()
    // It takes longest, and goes on beside the other tests.
    documented = testDocument()
    documented.catch(() => {})
  })
  after(() => shop?.close())

  it('lists the services of the shop with their documents, and not itself', async () => {
    const answer = await fetch(`${shop.gateway.proxyUrl}/`)
    const { data } = (await answer.json()) as ApiList
    assert.deepEqual(
      data.map(({ name, title, document }) => [name, title, document?.operations, document?.left_out]),
      [
        ['products', 'Products', 5, []],
        ['users', 'Users', 9, []],
      ],
    )
    assert.deepEqual(data[0]!.routes.find(({ name }) => name === 'products')!.auth, ['jwt'])
    assert.equal((await fetch(`${shop.gateway.proxyUrl}/something-else`)).status, 404)
  })

  async function testDocument(): Promise<SchemathesisRun> {
    const admin = await newUser(shop.platform)
    await shop.platform.users.run('make-admin', admin.email)
    return runSchemathesis(`${shop.gateway.proxyUrl}/docs/openapi.json`, {
      headers: { Authorization: `Bearer ${admin.bearer}` },
      // Kong answers TRACE by itself, without the list of methods.
      without: ['unsupported_method'],
    })
  }

  describe('in a browser', () => {
    let browser: Browser
    before(async () => {
      browser = await useBrowser()
    })
    after(() => browser?.close())

    for (const path of ['/', '/docs'])
      it(`needs no script and nothing from elsewhere, has no finding of axe-core, and fits into 360 pixels: ${path}`, async () => {
        const context = await browser.newContext({ viewport: { width: 360, height: 700 }, bypassCSP: false })
        const complaints: string[] = []
        context.on('console', message => complaints.push(message.text()))
        context.on('request', request => {
          if (new URL(request.url()).origin !== shop.gateway.proxyUrl) complaints.push(request.url())
        })
        const page = await context.newPage()
        await page.goto(`${shop.gateway.proxyUrl}${path}`)
        for (const summary of await page.locator('summary').all()) await summary.click()
        assert.equal(await page.locator('html').evaluate(({ scrollWidth }) => scrollWidth), 360)
        assert.deepEqual(complaints, [])
        // The page's policy allows no script, also not the checker's: its text in a page without a policy.
        const checked = await browser.newPage()
        await checked.setContent(await page.content())
        await checked.addStyleTag({
          content: await (await fetch(`${shop.gateway.proxyUrl}/docs/style.css`)).text(),
        })
        await checked.evaluate(AXE)
        const findings = await checked.evaluate(async () => {
          const { axe } = globalThis as typeof globalThis & InPage
          const { violations } = await axe.run()
          return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
        })
        assert.deepEqual(findings, [])
        await context.close()
      })

    it('leads from an operation to the schema that it names', async () => {
      const page = await browser.newPage()
      await page.goto(`${shop.gateway.proxyUrl}/docs`)
      await page.getByText('Creates a product').click()
      await page.getByRole('link', { name: 'NewProduct' }).click()
      await page.locator('[id="schema.NewProduct"]').getByText('price_cents').waitFor({ state: 'visible' })
      await page.close()
    })
  })

  // Behind the tests in a browser, in whose time it runs.
  describe('and its document', () => {
    it('holds no operation that does not answer through the gateway as it says', async () => {
      const { failed, output } = await documented
      assert.ok(!failed, output)
      assert.equal(Number(/^ {2}Tested: (\d+)$/m.exec(output)?.[1]), 14, output)
    })
  })
})
