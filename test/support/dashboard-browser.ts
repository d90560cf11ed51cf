import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Role } from '../../management/http/access.ts'
import { PASSWORD } from './dashboard-world.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Generous: the machine may have much else to do. */
const PATIENCE_MS = 30_000

/** What axe-core's script adds to the page. */
interface InPage {
  axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }
}

export interface VisitOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
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
    const { colorScheme = 'light', width = 1_200 } = options
    const viewport = { width, height: 900 }
    const context = await browser.newContext({
      viewport,
      colorScheme,
      locale: 'en-GB',
      reducedMotion: 'reduce',
    })
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    const visit = new DashboardVisit(context, page, url)
    await page.goto(url)
    return visit
  }

  async logIn(role: Role, password = PASSWORD): Promise<void> {
    await this.page.getByLabel('Name').fill(role)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Log in', exact: true }).click()
    await this.page.getByRole('button', { name: 'Log out' }).waitFor()
  }

  /** @param place `services/4f…`, as behind `#/` */
  async go(place: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`)
    await this.page.locator('main h1').waitFor()
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

  /** Serious and critical findings of axe-core. */
  async findings(): Promise<string[]> {
    await this.page.evaluate(AXE)
    return this.page.evaluate(async () => {
      const { axe } = globalThis as typeof globalThis & InPage
      const { violations } = await axe.run()
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
    })
  }

  async end(): Promise<void> {
    await this.#context.close()
    assert.deepEqual(this.#complaints, [], this.#url)
  }
}
