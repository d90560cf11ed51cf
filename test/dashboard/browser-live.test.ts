import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Dashboard } from '../support/dashboard.ts'
import type { WorldOptions } from '../support/dashboard-world.ts'
import { until } from '../support/until.ts'

const KEY = 'a-key-of-alice'
/** Breakers of earlier runs may still be in Redis. */
const GUARDED = `guarded-${randomUUID().slice(0, 8)}`

const seed: WorldOptions['seed'] = async ({ admin }, url) => {
  const qos = {
    default_tier: 'bronze',
    tiers: { bronze: { limits: [{ name: 'hour', requests: 3, per: 3600 }] } },
  }
  await admin('PUT', '/services/limited', { url })
  await admin('PUT', '/services/limited/routes/limited', { paths: ['/limited'] })
  for (const plugin of [{ name: 'key-auth' }, { name: 'key-auth-audit' }, { name: 'qos', config: qos }])
    await admin('POST', '/services/limited/plugins', plugin)
  // Nothing refuses requests before its breaker does.
  await admin('PUT', `/services/${GUARDED}`, { url })
  await admin('PUT', `/services/${GUARDED}/routes/${GUARDED}`, { paths: [`/${GUARDED}`] })
  await admin('POST', `/services/${GUARDED}/plugins`, { name: 'circuit-breaker' })
  await admin('PUT', '/services/stored', { url })
  await admin('PUT', '/services/stored/routes/stored', { paths: ['/stored'] })
  await admin('POST', '/services/stored/plugins', { name: 'response-cache', config: { default_ttl: 300 } })
  await admin('PUT', '/consumers/alice', {})
  await admin('POST', '/consumers/alice/key-auth', { key: KEY })
}

describe('the dashboard while requests run', function () {
  this.timeout(300_000)
  const dashboard = Dashboard.use({ seed, hasBroker: true })

  it('forces a breaker open for a while, and lets it decide again', async () => {
    const { world } = dashboard
    const statusOf = async () => (await dashboard.request(`/${GUARDED}`)).status
    await until('the breaker is known', async () => {
      await statusOf()
      const { body } = await world.call('GET', '/v1/breakers')
      return body.data.some(({ name }: { name: string }) => name === GUARDED)
    })
    const at = await dashboard.visit('editor', 'breakers')
    const row = at.page.getByRole('row', { name: new RegExp(`^${GUARDED}`) })
    await row.getByRole('button', { name: `Change mode of ${GUARDED}` }).click()
    assert.deepEqual(await at.findings(), [])
    await at.page.getByLabel(/^Reason/).fill('the upstream is being moved')
    await at.button('Force open').click()
    await row.getByText('forced open').waitFor()
    await row.getByText('the upstream is being moved').waitFor()
    await until('requests are refused', async () => (await statusOf()) === 503)
    await row.getByRole('button', { name: `Change mode of ${GUARDED}` }).click()
    await at.page.getByLabel(/^Reason/).fill('moved')
    await at.button('Let it decide').click()
    await row.getByText('decides by itself').waitFor()
    await until('requests pass again', async () => (await statusOf()) === 200)
  })

  it("resets a consumer's limit", async () => {
    const statusOf = async () => (await dashboard.request('/limited', KEY)).status
    await until('the limit is used up', async () => (await statusOf()) === 429)
    const at = await dashboard.visit('editor', 'limits')
    await at.page.getByLabel(/^Consumer/).fill('alice')
    await at.button('Show').click()
    const row = at.page.getByRole('row', { name: /^hour/ })
    await row.getByText('none left').waitFor()
    await row.getByRole('button', { name: 'Reset hour' }).click()
    const dialog = at.page.getByRole('dialog')
    assert.deepEqual(await at.findings(), [])
    await dialog.getByLabel(/^Reason/).fill('goodwill')
    await dialog.getByRole('button', { name: 'Reset', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    await until('requests pass again', async () => (await statusOf()) === 200)
  })

  it('purges stored answers', async () => {
    const isHit = async () =>
      /hit/.test((await dashboard.request('/stored')).headers.get('cache-status') ?? '')
    await until('the answer is stored', isHit)
    const at = await dashboard.visit('editor', 'cache')
    await at.button('Purge…').click()
    const dialog = at.page.getByRole('dialog')
    await dialog.getByLabel(/^A path/).fill('/stored')
    await dialog.getByLabel(/^Reason/).fill('a new price')
    await dialog.getByRole('button', { name: 'Purge', exact: true }).click()
    await at.page.getByText('Purged on all nodes: /stored').waitFor()
    await until('the service is asked again', async () => !(await isHit()))
  })

  it('finds a denied key in the audit, and keeps it out of the address', async () => {
    const key = `denied-${randomUUID()}`
    assert.equal((await dashboard.request('/limited', key)).status, 401)
    const at = await dashboard.visit('viewer', 'audit')
    await at.page.getByLabel('Outcome').selectOption('denied')
    await at.page.getByLabel('Key', { exact: true }).fill(key)
    await at.button('Search').click()
    // It may be stored only now: then the page learns of it by an event.
    const row = at.page.getByRole('row').filter({ hasText: '401' }).filter({ hasText: '/limited' })
    await at.page.waitForURL(/fingerprint=[0-9a-f]{64}/)
    assert.ok(!at.page.url().includes(key))
    // What was listed before stays until the answer comes: the head, and the one request with this key.
    await until('only it is listed', async () => (await at.page.getByRole('row').count()) === 2)
    await row.waitFor()
  })

  it('forces a breaker closed, resets a limit and opens a request of the audit with the keyboard alone', async () => {
    const at = await dashboard.visit('editor', 'breakers')
    const { page } = at
    const { keyboard } = page
    const dialog = page.getByRole('dialog')
    await until('the breaker is known', async () => {
      await dashboard.request(`/${GUARDED}`)
      const { body } = await dashboard.world.call('GET', '/v1/breakers')
      return body.data.some(({ name }: { name: string }) => name === GUARDED)
    })
    const row = page.getByRole('row', { name: new RegExp(`^${GUARDED}`) })
    const mode = at.button(`Change mode of ${GUARDED}`)
    await mode.press('Enter')
    await at.hasFocus(dialog.getByLabel(/^Force open/))
    await keyboard.press('ArrowDown')
    await at.hasFocus(dialog.getByLabel(/^Force closed/))
    await keyboard.press('Tab')
    await keyboard.press('Tab')
    await keyboard.type('it is being tested')
    await keyboard.press('Enter')
    await row.getByText('forced closed').waitFor()
    await at.hasFocus(mode)
    await mode.press('Enter')
    await at.hasFocus(dialog.getByLabel(/^Let it decide/))
    await keyboard.press('Tab')
    await keyboard.type('tested')
    await keyboard.press('Enter')
    await row.getByText('decides by itself').waitFor()

    const statusOf = async (key: string) => (await dashboard.request('/limited', key)).status
    await until('the limit is used up', async () => (await statusOf(KEY)) === 429)
    await page.getByRole('link', { name: 'Limits', exact: true }).press('Enter')
    await page.getByRole('searchbox').focus()
    await keyboard.type('alice')
    await keyboard.press('Enter')
    await at.button('Reset hour').press('Enter')
    await at.hasFocus(dialog.getByLabel(/^Reason/))
    await keyboard.type('goodwill')
    await keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await until('requests pass again', async () => (await statusOf(KEY)) === 200)

    const key = `denied-${randomUUID()}`
    assert.equal(await statusOf(key), 401)
    await page.getByRole('link', { name: 'Audit', exact: true }).press('Enter')
    await page.getByLabel('Key', { exact: true }).focus()
    await keyboard.type(key)
    await keyboard.press('Enter')
    await page.waitForURL(/fingerprint=/)
    await at.hasFocus(page.getByLabel('Key', { exact: true }))
    // The head, and the one request with this key.
    await until('only it is listed', async () => (await page.getByRole('row').count()) === 2)
    const opening = at.button(/^Open the request of /)
    await opening.press('Enter')
    await dialog.getByText('Address', { exact: true }).waitFor()
    assert.deepEqual(await at.findings(), [])
    await keyboard.press('Escape')
    await at.hasFocus(opening)
  })

  it('says that the connection is lost, regains it, and shows what happened in between', async () => {
    const at = await dashboard.visit('viewer')
    const live = at.page.getByRole('status').filter({ hasText: /^Live$/ })
    await live.waitFor()
    const names = ['before', 'meanwhile', 'after'] as const
    const rowOf = (name: string) => at.page.getByRole('row').filter({ hasText: `/limited/${name}` })
    const happens = (name: string) => dashboard.request(`/limited/${name}`, 'wrong')
    await happens('before')
    await rowOf('before').waitFor()
    await dashboard.world.restartManager(async () => {
      await at.page.getByText('Connection lost').waitFor()
      await happens('meanwhile')
    })
    await live.waitFor()
    await rowOf('meanwhile').waitFor()
    await happens('after')
    await rowOf('after').waitFor()
    for (const name of names) assert.equal(await rowOf(name).count(), 1, name)
  })
})
