import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { PASSWORD } from './dashboard-world.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Generous: the machine may have much else to do. */
const PATIENCE_MS = 120_000

/** What axe-core's script adds to the page. */
interface InPage {
  axe?: {
    run(options: {
      resultTypes: string[]
      runOnly?: string[]
    }): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>
  }
}

export interface VisitOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  /** Of a session, as `Cookie` has it; else nobody is logged in. */
  readonly cookie?: string
  /** Where it begins, as behind `#/`. */
  readonly place?: string
}

/** A browser of its own at the dashboard, which notes what must not happen. */
export class DashboardVisit {
  readonly page: Page
  readonly #context: BrowserContext
  readonly #url: string
  /** Scripts that failed, what the Content-Security-Policy refused, and requests to other hosts. */
  readonly #complaints: string[] = []

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.#context = context
    this.page = page
    this.#url = url
    context.on('weberror', error => this.#complaints.push(error.error().message))
    context.on('console', message => {
      if (/Content Security Policy|Refused to/.test(message.text())) this.#complaints.push(message.text())
    })
    context.on('request', request => {
      const { origin, protocol } = new URL(request.url())
      if (protocol !== 'data:' && origin !== new URL(url).origin) this.#complaints.push(request.url())
    })
  }

  static async begin(browser: Browser, url: string, options: VisitOptions = {}): Promise<DashboardVisit> {
    const { colorScheme = 'light', width = 1_200, cookie, place } = options
    const viewport = { width, height: 900 }
    const context = await browser.newContext({
      viewport,
      colorScheme,
      locale: 'en-GB',
      reducedMotion: 'reduce',
    })
    if (cookie !== undefined) {
      const [name = '', value = ''] = cookie.split('=')
      await context.addCookies([{ name, value, url }])
    }
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    const visit = new DashboardVisit(context, page, url)
    await page.goto(`${url}/#/${place ?? ''}`)
    if (cookie !== undefined) await visit.isIn()
    return visit
  }

  async logIn(name: string, password = PASSWORD): Promise<void> {
    await this.page.getByLabel('Name').fill(name)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Log in', exact: true }).click()
    await this.isIn()
  }

  /** Resolves when somebody is logged in, and the page is there. */
  async isIn(): Promise<void> {
    await this.page.getByRole('button', { name: 'Log out' }).waitFor()
    await this.isRead()
  }

  /** Resolves when nothing of the page is still being read. */
  async isRead(): Promise<void> {
    await this.page.locator('main h1').waitFor()
    await this.page.locator('main .loading').first().waitFor({ state: 'detached' })
  }

  /** @param place `services/4f…`, as behind `#/` */
  async go(place: string): Promise<void> {
    await this.page.evaluate(`new Promise(resolve => {
      const to = ${JSON.stringify(`#/${place}`)}
      const drawn = () => requestAnimationFrame(resolve)
      if (location.hash === to) return drawn()
      // Behind the page's own listener, which draws.
      addEventListener('hashchange', drawn, { once: true })
      location.hash = to
    })`)
    await this.isRead()
  }

  button(name: string | RegExp) {
    return this.page.getByRole('button', { name, ...(typeof name === 'string' && { exact: true }) })
  }

  /** The field of a form, by its JSON pointer. */
  field(pointer: string) {
    return this.page.locator(`[data-pointer="${pointer}"]`)
  }

  /** Opens the review, applies it, and waits until it is in force. */
  async save(button = 'Save…'): Promise<void> {
    await this.button(button).click()
    await this.button('Apply').click()
    await this.page.getByRole('dialog').waitFor({ state: 'detached' })
  }

  /** Resolves when the focus is there. */
  async hasFocus(element: Locator): Promise<void> {
    try {
      await element.and(this.page.locator(':focus')).waitFor()
    } catch {
      const { url, html } = await this.page.evaluate<Record<string, string>>(
        '({ url: location.href, html: document.activeElement?.outerHTML.slice(0, 300) })',
      )
      assert.fail(`the focus is not at ${element} but at ${html} of ${url}`)
    }
  }

  /** Ends the session at the manager; the page does not know. */
  async endSession(): Promise<void> {
    await this.page.evaluate(`fetch('/v1/session')
      .then(response => response.json())
      .then(({ csrf }) => fetch('/v1/session', { method: 'DELETE', headers: { 'x-csrf-token': csrf } }))`)
  }

  /** Serious and critical findings of axe-core in both colour schemes, which differ in nothing but colours. */
  async findings(): Promise<string[]> {
    const inLight = await this.#findings()
    await this.page.emulateMedia({ colorScheme: 'dark' })
    const inDark = await this.#findings(['color-contrast'])
    await this.page.emulateMedia({ colorScheme: 'light' })
    return [...inLight, ...inDark.map(finding => `dark: ${finding}`)]
  }

  async #findings(runOnly?: string[]): Promise<string[]> {
    const isThere = await this.page.evaluate(() => 'axe' in globalThis)
    if (!isThere) await this.page.evaluate(AXE)
    return this.page.evaluate(async rules => {
      const { axe } = globalThis as typeof globalThis & InPage
      const found = await axe?.run({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) })
      if (!found) throw new Error('axe-core is not there')
      const { violations } = found
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
    }, runOnly)
  }

  async end(): Promise<void> {
    await this.#context.close()
    assert.deepEqual(this.#complaints, [], this.#url)
  }
}
