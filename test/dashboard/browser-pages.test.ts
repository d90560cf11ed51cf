import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Dashboard } from '../support/dashboard.ts'
import type { WorldOptions } from '../support/dashboard-world.ts'

const limits = [{ name: 'hour', requests: 3, per: 3600 }]

const seed: WorldOptions['seed'] = async ({ admin }, url) => {
  // The first of the list: it can be deleted, since nothing refers to it.
  await admin('PUT', '/services/alone', { url })
  await admin('PUT', '/services/looked-at', { url, tags: ['shop'] })
  await admin('PUT', '/services/looked-at/routes/looked-at', { paths: ['/looked-at'] })
  const qos = { name: 'qos', config: { default_tier: 'all', tiers: { all: { limits } } } }
  for (const plugin of [{ name: 'key-auth' }, { name: 'circuit-breaker' }, qos])
    await admin('POST', '/services/looked-at/plugins', plugin)
  await admin('PUT', '/consumers/alice', { custom_id: 'crm-1' })
  await admin('POST', '/consumers/alice/key-auth', {})
  for (const name of ['restored', 'taken']) await admin('PUT', `/services/${name}`, { url })
}

describe('the pages of the dashboard', function () {
  this.timeout(300_000)
  const dashboard = Dashboard.use({ seed, reportsDrift: true })

  it('has no serious finding of axe-core on any page, light and dark, and fits into 360 pixels', async () => {
    const { world } = dashboard
    const at = await dashboard.arrive({ width: 360 })
    await at.page.getByLabel('Password').waitFor()
    const found = (await at.findings()).map(finding => `login: ${finding}`)
    await at.logIn('admin')
    await world.call('PATCH', '/v1/services/looked-at', { tags: ['looked-at'] })
    const first = async (path: string) =>
      `${path}/${(await world.call('GET', `/v1/${path}`)).body.data[0].id}`
    const lists = ['services', 'routes', 'consumers', 'plugins', 'upstreams', 'certificates']
    const live = ['', 'breakers', 'limits', 'limits?subject=alice', 'audit', 'drift', 'catalogue']
    const entities = await Promise.all(['services', 'routes', 'consumers', 'changes'].map(first))
    const plugins = [`plugins/${await dashboard.pluginId('qos')}`, 'plugins/new']
    const forms = ['publish', 'consumers/new', 'upstreams/new', 'certificates/new', 'plugins/new?name=jwt']
    const own = ['operators', 'password', 'changes', 'cache']
    const nothing = ['nowhere', `services/${randomUUID()}`]
    const look = async (what: string) => {
      found.push(...(await at.findings()).map(finding => `${what}: ${finding}`))
      const width = await at.page.locator('html').evaluate(({ scrollWidth }) => scrollWidth)
      if (width > 360) found.push(`${what} is ${width} pixels wide`)
    }
    for (const place of [...live, ...own, ...lists, ...entities, ...plugins, ...forms, ...nothing]) {
      await at.go(place)
      await look(place)
    }
    assert.deepEqual(found, [])
  })

  it('has no serious finding in dialogs and the steps of the wizard, and gives the focus back', async () => {
    const { world } = dashboard
    const at = await dashboard.visit('admin', 'publish', { width: 360 })
    const found: string[] = []
    const look = async (what: string) =>
      found.push(...(await at.findings()).map(finding => `${what}: ${finding}`))
    await at.page.getByLabel('Name', { exact: true }).fill('looked-at-only')
    await at.page.getByLabel('URL').fill('http://looked-at.test')
    await at.page.getByLabel('Paths').fill('/looked-at-only')
    for (const label of [/^None/, 'Requests', 'Cache responses']) {
      await at.button('Next').click()
      await at.page.getByLabel(label).waitFor()
      await look(`wizard ${label}`)
    }
    const { body: keys } = await world.call('GET', '/v1/key-auths')
    const { body: services } = await world.call('GET', '/v1/services')
    const dialog = at.page.getByRole('dialog')
    for (const [place, name] of [
      ['cache', 'Purge…'],
      ['operators', 'Add an operator'],
      ['operators', 'Create a token'],
      ['operators', 'Disable viewer'],
      [`key-auths/${keys.data[0].id}`, 'Rotate…'],
      [`services/${services.data[0].id}`, 'Delete…'],
    ] as const) {
      await at.go(place)
      const opener = at.button(name)
      await opener.click()
      // A review first says what it would do.
      if (/Rotate|Delete/.test(name)) await dialog.getByLabel(/^Reason/).waitFor()
      await dialog.waitFor()
      await look(`${place}, ${name}`)
      await at.page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'detached' })
      await at.hasFocus(opener)
    }
    assert.deepEqual(found, [])
  })

  it('takes over what was changed in Kong without the manager, or restores what the manager knew', async () => {
    const { world } = dashboard
    const { admin } = world.gateway
    const at = await dashboard.visit('editor', 'drift', { width: 360 })
    const { page } = at
    await admin('PATCH', '/services/restored', { retries: 9 })
    await admin('PATCH', '/services/taken', { retries: 8 })
    const stranger = await admin('POST', '/consumers/alice/basic-auth', {
      username: 'stranger',
      password: 'x',
    })
    const restore = (what: string) => at.button(new RegExp(`^Restore .*${what}`))
    // All of them, so that none comes while another one is looked at.
    for (const what of ['restored', 'taken', 'stranger']) await restore(what).waitFor()
    const found = (await at.findings()).map(finding => `drift: ${finding}`)
    await restore('restored').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('row', { name: /^retries\b.*\b9\b.*\b5$/ }).waitFor()
    found.push(...(await at.findings()).map(finding => `restore: ${finding}`))
    await dialog.getByLabel(/^Reason/).fill('nobody asked for it')
    await at.button('Apply').click()
    await restore('restored').waitFor({ state: 'detached' })
    await page.getByText('Restored.').waitFor()
    assert.equal((await admin('GET', '/services/restored')).retries, 5)
    await at.button('Take over service taken').click()
    await restore('taken').waitFor({ state: 'detached' })
    assert.equal((await world.call('GET', '/v1/services/taken')).body.retries, 8)
    // What Kong hashes cannot be made again: the manager asks for consent.
    await restore('stranger').click()
    await at.button('Apply').click()
    await dialog.getByLabel(/cannot be undone/).check()
    await at.button('Apply').click()
    await page.getByText('No drift: Kong matches what the manager knows.').waitFor()
    await assert.rejects(admin('GET', `/basic-auths/${stranger.id}`), /404/)
    assert.deepEqual(found, [])
  })
})
