import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Browser } from 'playwright-core'
import type { Json } from '../../dashboard/model/schema.ts'
import type { Role } from '../../management/http/access.ts'
import { useBrowser } from '../support/browser.ts'
import { DashboardVisit, type VisitOptions } from '../support/dashboard-browser.ts'
import { DashboardWorld, type Seed } from '../support/dashboard-world.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

const KEY = 'a-key-of-alice'
/** Breakers of earlier runs may still be in Redis. */
const GUARDED = `guarded-${randomUUID().slice(0, 8)}`
/** A stored name with markup, which must show as text. */
const MARKUP = '<img src=x onerror="document.title=1">'

const seed: Seed = async ({ admin }, url) => {
  await admin('PUT', '/services/dash-orders', { url, tags: ['shop'] })
  await admin('PUT', '/services/dash-orders/routes/dash-orders', { paths: ['/dash-orders'] })
  for (const plugin of [
    { name: 'key-auth' },
    { name: 'key-auth-audit' },
    { name: 'circuit-breaker', config: { minimum_calls: 100 } },
    {
      name: 'qos',
      config: {
        default_tier: 'bronze',
        tiers: {
          gold: { limits: [{ name: 'minute', requests: 100, per: 60 }] },
          bronze: { limits: [{ name: 'hour', requests: 3, per: 3600 }] },
        },
      },
    },
  ])
    await admin('POST', '/services/dash-orders/plugins', plugin)
  // Nothing refuses requests before its breaker does.
  await admin('PUT', `/services/${GUARDED}`, { url })
  await admin('PUT', `/services/${GUARDED}/routes/${GUARDED}`, { paths: [`/${GUARDED}`] })
  await admin('POST', `/services/${GUARDED}/plugins`, { name: 'circuit-breaker' })
  await admin('POST', '/plugins', {
    name: 'prometheus',
    config: { status_code_metrics: true, latency_metrics: true },
  })
  await admin('PUT', '/consumers/alice', {})
  await admin('POST', '/consumers/alice/key-auth', { key: KEY })
  await admin('PUT', '/consumers/bob', { custom_id: MARKUP })
}

describe('the dashboard, in a browser', function () {
  this.timeout(120_000)
  let world: DashboardWorld
  let browser: Browser
  const visits: DashboardVisit[] = []

  before(async function () {
    this.timeout(START_MS)
    ;[world, browser] = await Promise.all([DashboardWorld.start(seed), useBrowser()])
    await until('the manager has read the gateway', async () => {
      const { body } = await world.call('GET', '/v1/consumers')
      return body.data?.length === 2
    })
  })
  after(async () => {
    await browser?.close()
    await world?.close()
  })
  afterEach(async () => {
    for (const visit of visits.splice(0)) await visit.end()
  })

  async function visit(role: Role | undefined, options: VisitOptions = {}): Promise<DashboardVisit> {
    const begun = await DashboardVisit.begin(browser, world.url, options)
    visits.push(begun)
    if (role) await begun.logIn(role)
    return begun
  }

  const pluginId = async (name: string): Promise<string> => {
    const { body } = await world.call('GET', `/v1/plugins?q=${name}`)
    return body.data.find((row: { name: string }) => row.name === name).id
  }
  const request = (path: string, key?: string) =>
    fetch(`${world.gateway.proxyUrl}${path}`, { headers: { ...(key !== undefined && { apikey: key }) } })

  it('is served under a policy without inline scripts and styles, its files for ever', async () => {
    const page = await fetch(world.url)
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none';.*script-src 'self';style-src 'self'/)
    assert.doesNotMatch(policy, /unsafe|\*|http/)
    assert.equal(page.headers.get('cache-control'), 'no-cache')
    const [, script = ''] = /src="([^"]+)"/.exec(await page.text()) ?? []
    const file = await fetch(`${world.url}${script}`)
    assert.equal(file.status, 200)
    assert.match(file.headers.get('content-type') ?? '', /javascript/)
    assert.equal(file.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    const outside = await fetch(`${world.url}/assets/..%2f..%2f..%2fpackage.json`)
    assert.ok(outside.status === 400 || outside.status === 404, String(outside.status))
  })

  it('lets in whom it knows, stays logged in over a reload, and logs out', async () => {
    const at = await visit(undefined)
    const { page } = at
    await page.getByLabel('Name').fill('admin')
    await page.getByLabel('Password').fill('wrong password')
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.getByRole('alert').waitFor()
    await at.logIn('admin')
    await page.reload()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Password').waitFor()
  })

  it('publishes an API as one change, which can be called, and takes it back with one click', async () => {
    const at = await visit('editor')
    await at.go('publish')
    const name = `published-${randomUUID().slice(0, 8)}`
    await at.page.getByLabel('Name', { exact: true }).fill(name)
    await at.page.getByLabel('URL').fill(world.upstream.url)
    await at.page.getByLabel('Paths').fill(`/${name}`)
    await at.button('Next').click()
    await at.page.getByLabel(/^None/).check()
    await at.button('Next').click()
    await at.page.getByLabel('Requests').fill('1000')
    await at.button('Next').click()
    await at.button('Review…').click()
    await at.page.getByText(`Create service ${name}`).waitFor()
    await at.button('Apply').click()
    await at.page.getByText(`${name} is published.`).waitFor()
    await until('it can be called', async () => (await request(`/${name}`)).status === 200)
    await at.button('Undo').click()
    await at.page.getByRole('heading', { name: 'Publish an API' }).waitFor()
    await until('it is gone', async () => (await request(`/${name}`)).status === 404)
  })

  it('edits a plugin of ours by its form: records, maps, lists, one of several, not set', async () => {
    const at = await visit('editor')
    const id = await pluginId('qos')
    await at.go(`plugins/${id}`)
    const limit = '/config/tiers/gold/limits/0'
    await at.field(`${limit}/requests`).getByRole('textbox').fill('120')
    await at.field(`${limit}/algorithm`).getByRole('combobox').selectOption({ label: 'sliding' })
    await at.field(`${limit}/per`).getByRole('textbox').fill('30')
    await at.button('Add to anonymous_consumers').click()
    await at.field('/config/anonymous_consumers/0').getByRole('textbox').fill('nobody')
    await at.field('/tags').getByRole('button', { name: 'Add to tags' }).click()
    await at.field('/tags/0').getByRole('textbox').fill('edited')
    await at.button('Save…').click()
    await at.page.getByRole('row', { name: /config\.tiers\.gold\.limits\.0\.requests 100 120/ }).waitFor()
    await at.page.getByLabel(/^Reason/).fill('more for gold')
    await at.button('Apply').click()
    await at.page.getByText('Saved.').waitFor()
    const { config, tags } = (await world.gateway.admin('GET', `/plugins/${id}`)) as {
      config: { tiers: { gold: { limits: Json[] } }; anonymous_consumers: unknown }
      tags: unknown
    }
    const [kept] = config.tiers.gold.limits
    assert.deepEqual([kept?.requests, kept?.algorithm, kept?.per], [120, 'sliding', 30])
    assert.deepEqual([config.anonymous_consumers, tags], [['nobody'], ['edited']])
    await at.field('/tags').getByRole('button', { name: 'Unset tags' }).click()
    await at.save()
    assert.equal((await world.gateway.admin('GET', `/plugins/${id}`)).tags, null)
  })

  it('refuses a bad value at its field, whether the form or the manager sees it', async () => {
    const at = await visit('editor')
    await at.go(`plugins/${await pluginId('qos')}`)
    const field = at.field('/config/retry_jitter')
    for (const [bad, reason] of [
      ['many', /must be a number/],
      ['7', /between 0 and 1/],
    ] as const) {
      await field.getByRole('textbox').fill(bad)
      await at.button('Save…').click()
      await field.getByText(reason).waitFor()
      assert.equal(await field.getByRole('textbox').getAttribute('aria-invalid'), 'true')
    }
    await at.button('Discard').click()
    await field.getByText(/between 0 and 1/).waitFor({ state: 'detached' })
  })

  it('undoes a change from its page', async () => {
    const at = await visit('editor')
    await at.go('services')
    await at.page.getByRole('link', { name: 'dash-orders' }).click()
    await at.field('/retries').getByRole('textbox').fill('9')
    await at.save()
    await at.page.getByRole('link', { name: 'See the change' }).click()
    await at.page.getByRole('row', { name: 'retries 5 9' }).waitFor()
    await at.button('Undo').click()
    await at.page.getByText('This change has been undone.').waitFor()
    assert.equal((await world.gateway.admin('GET', '/services/dash-orders')).retries, 5)
  })

  it('shows both versions when two operators edit the same plugin, and loses neither', async () => {
    const id = await pluginId('qos')
    const [mine, theirs] = [await visit('editor'), await visit('admin')]
    for (const at of [mine, theirs]) await at.go(`plugins/${id}`)
    await theirs.field('/config/near_limit').getByRole('textbox').fill('0.5')
    await theirs.save()
    await mine.field('/config/retry_jitter').getByRole('textbox').fill('0.2')
    await mine.button('Save…').click()
    const dialog = mine.page.getByRole('dialog', { name: 'Somebody else has changed this' })
    await dialog.getByRole('row', { name: 'config.near_limit 0.8 0.5' }).waitFor()
    await dialog.getByRole('row', { name: 'config.retry_jitter 0.1 0.2' }).waitFor()
    await mine.button('Put mine on top of theirs').click()
    await mine.save()
    const { config } = await world.gateway.admin('GET', `/plugins/${id}`)
    const { near_limit: near, retry_jitter: jitter } = config as Record<string, unknown>
    assert.deepEqual([near, jitter], [0.5, 0.2])
  })

  it('asks to log in again when the session has ended, and saves what was typed', async () => {
    const at = await visit('editor')
    await at.go('services')
    await at.page.getByRole('link', { name: 'dash-orders' }).click()
    await at.field('/retries').getByRole('textbox').fill('7')
    const { body } = await world.call('GET', '/v1/sessions')
    for (const { id, operator } of body.data as { id: string; operator: string }[])
      if (operator === 'editor') await world.call('DELETE', `/v1/sessions/${id}`)
    await at.button('Save…').click()
    await at.page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    await at.page.getByLabel('Password').fill('correct horse battery')
    await at.button('Log in').click()
    await at.page.getByRole('row', { name: 'retries 5 7' }).waitFor()
    await at.button('Apply').click()
    await at.page.getByText('Saved.').waitFor()
    assert.equal((await world.gateway.admin('GET', '/services/dash-orders')).retries, 7)
  })

  it('offers a viewer nothing to change, and an editor no operators', async () => {
    const viewer = await visit('viewer')
    await viewer.go('services')
    await viewer.page.getByRole('link', { name: 'dash-orders' }).click()
    await viewer.page.getByText('your role is viewer').waitFor()
    assert.equal(await viewer.page.getByRole('button', { name: /Save|Delete|Unset|Add/ }).count(), 0)
    assert.equal(await viewer.page.getByRole('link', { name: /^New|Publish/ }).count(), 0)
    const editor = await visit('editor')
    await editor.go('operators')
    await editor.page.getByRole('heading', { name: 'Your sessions' }).waitFor()
    assert.equal(await editor.button('Add an operator').count(), 0)
  })

  it('shows markup in a stored name as text', async () => {
    const at = await visit('viewer')
    await at.go('consumers')
    await at.page.getByText(MARKUP).waitFor()
    assert.equal(await at.page.locator('main img').count(), 0)
  })

  it('has the secret of a new credential in the page only when it is asked for, and never again', async () => {
    const at = await visit('editor')
    await at.go('consumers')
    await at.page.getByRole('link', { name: 'alice' }).click()
    await at.page.getByRole('link', { name: 'New key' }).click()
    await at.save('Create…')
    await at.page.getByText('This is the only time that it can be seen.').waitFor()
    assert.equal(await at.page.locator('main code').count(), 0)
    await at.button('Show it').click()
    const key = (await at.page.locator('main code').textContent()) ?? ''
    await until('the key opens', async () => (await request('/dash-orders', key)).status !== 401)
    await at.page.getByRole('link', { name: 'Back to the consumer' }).click()
    await at.page.getByRole('heading', { name: 'Keys (2)' }).waitFor()
    assert.ok(!(await at.page.content()).includes(key))
    assert.ok(!(await at.page.content()).includes(KEY))
  })

  it('forces a breaker open for a while, and lets it decide again', async () => {
    await until('the breaker is known', async () => {
      await request(`/${GUARDED}`)
      const { body } = await world.call('GET', '/v1/breakers')
      return body.data.some(({ name }: { name: string }) => name === GUARDED)
    })
    const at = await visit('editor')
    await at.go('breakers')
    const row = at.page.getByRole('row', { name: new RegExp(`^${GUARDED}`) })
    await row.getByRole('button', { name: `Change mode of ${GUARDED}` }).click()
    await at.page.getByLabel(/^Reason/).fill('the upstream is being moved')
    await at.button('Force open').click()
    await row.getByText('forced open').waitFor()
    await row.getByText('the upstream is being moved').waitFor()
    await until('requests are refused', async () => (await request(`/${GUARDED}`)).status === 503)
    await row.getByRole('button', { name: `Change mode of ${GUARDED}` }).click()
    await at.page.getByLabel(/^Reason/).fill('moved')
    await at.button('Let it decide').click()
    await row.getByText('decides by itself').waitFor()
    await until('requests pass again', async () => (await request(`/${GUARDED}`)).status === 200)
  })

  it("resets a consumer's limit", async () => {
    await until('the limit is used up', async () => (await request('/dash-orders', KEY)).status === 429)
    const at = await visit('editor')
    await at.go('limits')
    await at.page.getByLabel(/^Consumer/).fill('alice')
    await at.button('Show').click()
    const row = at.page.getByRole('row', { name: /^hour/ })
    await row.getByText('none left').waitFor()
    await row.getByRole('button', { name: 'Reset hour' }).click()
    await at.page.getByLabel(/^Reason/).fill('goodwill')
    await at.button('Reset').last().click()
    await at.page.getByRole('dialog').waitFor({ state: 'detached' })
    await until('requests pass again', async () => (await request('/dash-orders', KEY)).status === 200)
  })

  it('finds a denied key in the audit, and keeps it out of the address', async () => {
    const key = `denied-${randomUUID()}`
    assert.equal((await request('/dash-orders', key)).status, 401)
    const at = await visit('viewer')
    await at.go('audit')
    await at.page.getByLabel('Outcome').selectOption('denied')
    await at.page.getByLabel('Key', { exact: true }).fill(key)
    await at.button('Search').click()
    const row = at.page.getByRole('row').filter({ hasText: '401' })
    await row.getByText('/dash-orders').first().waitFor()
    assert.equal(await row.count(), 1)
    assert.ok(!at.page.url().includes(key))
    assert.match(at.page.url(), /fingerprint=[0-9a-f]{64}/)
  })

  it('says that the connection is lost, regains it, and shows what happened in between', async () => {
    const at = await visit('viewer')
    await at.go('')
    const live = at.page.getByRole('status').filter({ hasText: /^Live$/ })
    await live.waitFor()
    const rowOf = (name: string) => at.page.getByRole('row').filter({ hasText: `/dash-orders/${name}` })
    await request('/dash-orders/before', 'wrong')
    await rowOf('before').waitFor()
    await world.restartManager(async () => {
      await at.page.getByText('Connection lost').waitFor()
      await request('/dash-orders/meanwhile', 'wrong')
    })
    await live.waitFor()
    await rowOf('meanwhile').waitFor()
    await request('/dash-orders/after', 'wrong')
    await rowOf('after').waitFor()
    for (const name of ['before', 'meanwhile', 'after']) assert.equal(await rowOf(name).count(), 1, name)
  })

  it('can be used with the keyboard alone', async () => {
    const { page } = await visit(undefined)
    const { keyboard } = page
    // The focus is in the first field.
    await page.getByLabel('Name').waitFor()
    await until('the focus is in it', () => page.getByLabel('Name').evaluate(one => one.matches(':focus')))
    await keyboard.type('editor')
    await keyboard.press('Tab')
    await keyboard.type('correct horse battery')
    await keyboard.press('Enter')
    await page.getByRole('link', { name: 'Services', exact: true }).focus()
    await keyboard.press('Enter')
    await page.getByRole('link', { name: 'dash-orders' }).focus()
    await keyboard.press('Enter')
    const retries = page.locator('[data-pointer="/retries"]').getByRole('textbox')
    await retries.focus()
    await keyboard.press('ControlOrMeta+a')
    await keyboard.type('4')
    await keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('row', { name: /^retries/ }).waitFor()
    await keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Save…' }).focus()
    await keyboard.press('Enter')
    await page.getByLabel(/^Reason/).focus()
    await keyboard.type('by keyboard')
    await keyboard.press('Enter')
    await page.getByText('Saved.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).focus()
    await keyboard.press('Enter')
    await page.getByText('Saved.').waitFor({ state: 'detached' })
  })

  for (const colorScheme of ['light', 'dark'] as const)
    it(`has no serious finding of axe-core on any page, and fits into 360 pixels: ${colorScheme}`, async () => {
      const at = await visit(undefined, { colorScheme, width: 360 })
      await at.page.getByLabel('Password').waitFor()
      const found = await at.findings()
      await at.logIn('admin')
      const { body: services } = await world.call('GET', '/v1/services')
      const { body: consumers } = await world.call('GET', '/v1/consumers')
      const { body: changes } = await world.call('GET', '/v1/changes')
      const lists = ['services', 'routes', 'consumers', 'plugins', 'upstreams', 'certificates']
      const entities = [`services/${services.data[0].id}`, `consumers/${consumers.data[0].id}`]
      const plugin = `plugins/${await pluginId('qos')}`
      const others = [
        '',
        'breakers',
        'limits?subject=alice',
        'audit',
        'drift',
        'catalogue',
        'operators',
        'changes',
      ]
      const pages = [...others, ...lists, ...entities, plugin, 'plugins/new', 'publish']
      for (const place of [...pages, `changes/${changes.data[0].id}`]) {
        await at.go(place)
        await at.page.locator('main').locator('table, form, .panel, .empty, .notice').first().waitFor()
        found.push(...(await at.findings()).map(finding => `${place}: ${finding}`))
        const width = await at.page.locator('html').evaluate(({ scrollWidth }) => scrollWidth)
        if (width > 360) found.push(`${place} is ${width} pixels wide`)
      }
      assert.deepEqual(found, [])
    })
})
