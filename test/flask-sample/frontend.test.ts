import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page, Route } from 'playwright-core'
import { useBrowser } from '../support/browser.ts'
import { call } from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'
import { openShop, type Shop } from '../support/shop.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const PASSWORD = 'correct horse battery'
/** What the list asks for. */
const PRODUCTS = '**/products?*'

/** What axe-core's script adds to the page. */
interface InPage {
  axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
}

describe('the sample frontend, in a browser', function () {
  this.timeout(60_000)
  let shop: Shop
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** Scripts that failed, what the Content-Security-Policy refused, and requests to other hosts. */
  let complaints: string[]

  before(async function () {
    this.timeout(START_MS)
    browser = await useBrowser()
    shop = await openShop()
  })
  after(async () => {
    await browser?.close()
    await shop?.close()
  })
  beforeEach(async () => {
    context = await browser.newContext({
      viewport: { width: 1_000, height: 800 },
      locale: 'en-GB',
      // axe-core would find the contrast of whatever moment of an animation it sees.
      reducedMotion: 'reduce',
    })
    complaints = []
    context.on('weberror', error => complaints.push(error.error().message))
    context.on('console', message => {
      if (/Content Security Policy|Refused to/.test(message.text())) complaints.push(message.text())
    })
    context.on('request', request => {
      const { origin, protocol } = new URL(request.url())
      if (protocol !== 'data:' && origin !== new URL(shop.url).origin) complaints.push(request.url())
    })
    page = await open()
  })
  afterEach(async () => {
    await context.close()
    assert.deepEqual(complaints, [])
  })

  async function open(): Promise<Page> {
    const opened = await context.newPage()
    opened.setDefaultTimeout(60_000)
    await opened.goto(`${shop.url}?every=0.5`)
    await opened.waitForSelector('#entrance:not([hidden]), #shop:not([hidden])')
    return opened
  }

  async function register(name = 'Ada'): Promise<{ email: string; id: string }> {
    const email = `${randomUUID()}@example.org`
    await page.getByRole('button', { name: 'Register instead' }).click()
    await page.getByLabel('Name', { exact: true }).fill(name)
    await page.getByLabel('Email').fill(email)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Register', exact: true }).click()
    await page.getByRole('heading', { name: 'Products' }).waitFor()
    const { body } = await call(shop.platform, 'users', '/users/login', {
      body: { email, password: PASSWORD },
    })
    const { sub } = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
    return { email, id: sub }
  }

  async function submitProduct(name: string, price: string, stock: string): Promise<void> {
    if (!(await page.getByLabel('Product name').isVisible())) await page.getByText('Add a product').click()
    await page.getByLabel('Product name').fill(name)
    await page.getByLabel('Price in euros').fill(price)
    await page.getByLabel('In stock').fill(stock)
    await page.getByRole('button', { name: 'Add', exact: true }).click()
  }

  async function add(name: string, price: string, stock: string): Promise<void> {
    await submitProduct(name, price, stock)
    // The list may show the product before the form has its answer, which empties the fields.
    await page.locator('#product-form [type="submit"]:not([aria-disabled])').waitFor()
  }

  /** What came before this answer, the page has dealt with. */
  const untilSettled = () => page.evaluate(() => fetch('.').then(answer => answer.text()))

  const product = (name: string) => page.getByRole('listitem').filter({ hasText: name })

  async function seriousFindings(): Promise<string[]> {
    await page.evaluate(AXE)
    return page.evaluate(async () => {
      const { axe } = globalThis as typeof globalThis & InPage
      const { violations } = await axe.run()
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
    })
  }

  it('registers, logs in, and shows what was added, with its price', async () => {
    await register('Ada Lovelace')
    await page.getByText('Ada Lovelace').waitFor()
    const name = `Tea ${randomUUID()}`
    await add(name, '3,5', '0')
    await product(name).waitFor()
    assert.match((await product(name).textContent()) ?? '', /Sold out\s+€3\.50/)
  })

  it("shows what others do without a reload, and keeps to one's own what one may delete", async () => {
    const { id } = await register()
    const name = `Theirs ${randomUUID()}`
    const body = { name, price_cents: 1_999, stock: 2 }
    const made = await call(shop.platform, 'products', '/products', { as: 'somebody', body })
    await product(name).waitFor()
    assert.equal(await product(name).getByRole('button').count(), 0)
    const change = { as: 'somebody', method: 'PATCH', body: { stock: 1 } }
    await call(shop.platform, 'products', `/products/${made.body.id}`, change)
    await product(name).getByText('1 in stock').waitFor()
    const own = `Mine ${randomUUID()}`
    await call(shop.platform, 'products', '/products', { as: id, body: { ...body, name: own } })
    page.once('dialog', dialog => dialog.accept())
    await page.getByRole('button', { name: `Delete ${own}` }).click()
    await product(own).waitFor({ state: 'detached' })
  })

  it("says beside each field what is wrong with it, in the service's words", async () => {
    await page.getByRole('button', { name: 'Register instead' }).click()
    await page.getByLabel('Email').fill('nobody')
    await page.getByLabel('Password').fill('short')
    await page.getByRole('button', { name: 'Register', exact: true }).click()
    const email = page.getByLabel('Email')
    await page.getByText('Is not an email address.').waitFor()
    assert.equal(await email.getAttribute('aria-invalid'), 'true')
    await page.getByText('Must be 10 to 200 characters long.').waitFor()
    await page.getByText('Must be 1 to 100 characters long.').waitFor()
    await page.getByRole('button', { name: 'Log in instead' }).click()
    await email.fill(`${randomUUID()}@example.org`)
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.getByText('The email or the password is wrong.').waitFor()
  })

  it('stays logged in over a reload and in another tab, until one of them logs out', async () => {
    await register()
    await page.reload()
    await page.getByRole('heading', { name: 'Products' }).waitFor()
    const other = await open()
    await other.getByRole('heading', { name: 'Products' }).waitFor()
    await Promise.all([page.reload(), other.reload()])
    await other.getByRole('heading', { name: 'Products' }).waitFor()
    await page.getByRole('heading', { name: 'Products' }).waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await other.getByText('You have been logged out in another tab.').waitFor()
  })

  it('leaves the shop as soon as a form finds out that the session has ended', async () => {
    await register()
    const refuse = (route: Route) =>
      route.fulfill({ status: 401, json: { detail: 'The token has expired.' } })
    await page.route('**/users/refresh', refuse)
    // Adding only: the list goes on with the access token that it has.
    await page.route('**/products', refuse)
    await submitProduct('Tea', '3', '1')
    await page.locator('#entrance-notice').getByText('Your session has ended. Log in again.').waitFor()
    assert.equal(await page.locator('#product-notice').textContent(), '')
  })

  it('says which service is away, keeps the list in sight, and goes on when it is back', async () => {
    await register()
    const name = `Tea ${randomUUID()}`
    await add(name, '3', '1')
    await product(name).waitFor()
    await shop.platform.products.kill()
    try {
      await page.getByText(/^The products service is not available \(50[23]/).waitFor()
      await page.getByText(/^Trying again in \d+ s\.$/).waitFor()
      await page.getByText(/^As of \d\d:\d\d:\d\d$/).waitFor()
      assert.ok(await product(name).isVisible())
      assert.deepEqual(await seriousFindings(), [])
      await add(`${name} 2`, '3', '1')
      await page
        .locator('#product-notice')
        .getByText(/^The products service is not available/)
        .waitFor()
    } finally {
      await shop.platform.products.restart()
    }
    await page.getByText('Live', { exact: true }).waitFor()
    await page.locator('#trouble').waitFor({ state: 'hidden' })
    await context.setOffline(true)
    await page.getByText(/^The gateway does not answer/).waitFor()
    await context.setOffline(false)
    await page.getByText('Live', { exact: true }).waitFor()
  })

  it('tries at once when it is told to', async () => {
    await register()
    await page.route(PRODUCTS, route => route.abort())
    // So slow that it does nothing by itself while the test runs.
    await page.goto(`${shop.url}?every=3600`)
    await page.getByText(/^The gateway does not answer/).waitFor()
    await page.getByText(/^Trying again in 3\d{3} s\.$/).waitFor()
    await page.unroute(PRODUCTS)
    await page.getByRole('button', { name: 'Try now' }).click()
    await page.getByText('Live', { exact: true }).waitFor()
  })

  it('does nothing more once it is logged out, though an answer was on its way', async () => {
    await register()
    await page.clock.install()
    await page.reload()
    await page.getByText('Live', { exact: true }).waitFor()
    const held = await new Promise<Route>(resolve => void page.route(PRODUCTS, resolve))
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    const answered = page.waitForEvent('requestfinished', request => request === held.request())
    await held.continue()
    await answered
    await page.unrouteAll()
    let asked = 0
    page.on('request', request => {
      if (request.url().includes('/products')) asked++
    })
    await untilSettled()
    await page.clock.runFor(60_000)
    await untilSettled()
    assert.equal(asked, 0)
    assert.equal(await page.locator('#entrance-notice').textContent(), '')
  })

  it('waits for the users service when that is away, and goes on with the session', async () => {
    await register()
    await shop.platform.users.kill()
    try {
      await page.reload()
      await page.getByText(/^The users service is not available .* You are still logged in/).waitFor()
    } finally {
      await shop.platform.users.restart()
    }
    await page.getByRole('heading', { name: 'Products' }).waitFor()
  })

  for (const colorScheme of ['light', 'dark'] as const)
    it(`has no finding of axe-core, and fits into 360 pixels: ${colorScheme}`, async () => {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width: 360, height: 700 })
      assert.deepEqual(await seriousFindings(), [])
      await register('A name that is much too long for so small a window, and goes on and on')
      await add(`Tea${'a'.repeat(150)} ${randomUUID()}`, '1000000', '1')
      await product('Teaaaa').first().waitFor()
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      assert.deepEqual(await seriousFindings(), [])
      assert.equal(await page.locator('html').evaluate(({ scrollWidth }) => scrollWidth), 360)
    })

  it('can be used with the keyboard alone', async () => {
    const { email } = await register()
    await page.getByRole('button', { name: 'Log out' }).press('Enter')
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    // The focus is in the first field.
    await page.keyboard.type(email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Products' }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    const name = `Tea ${randomUUID()}`
    await page.keyboard.type(name)
    await page.keyboard.press('Tab')
    await page.keyboard.type('2.50')
    await page.keyboard.press('Enter')
    await product(name).waitFor()
  })
})
