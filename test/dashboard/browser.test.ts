import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Json } from '../../dashboard/model/schema.ts'
import { Dashboard } from '../support/dashboard.ts'
import type { DashboardVisit } from '../support/dashboard-browser.ts'
import { PASSWORD, type WorldOptions } from '../support/dashboard-world.ts'
import { until } from '../support/until.ts'

/** A stored name with markup, which must show as text. */
const MARKUP = '<img src=x onerror="document.title=1">'
const KEY = 'a-key-of-alice'
const OLD_KEY = 'an-old-key'

/** Each test edits a service of its own. */
const SERVICES = ['undone', 'kept', 'looked-at', 'typed', 'stuck', 'left', 'deleted']

const qos = {
  name: 'qos',
  config: {
    default_tier: 'bronze',
    tiers: {
      gold: { limits: [{ name: 'minute', requests: 100, per: 60 }] },
      bronze: { limits: [{ name: 'hour', requests: 3, per: 3600 }] },
    },
  },
}

const seed: WorldOptions['seed'] = async ({ admin }, url) => {
  for (const name of SERVICES) await admin('PUT', `/services/${name}`, { url })
  await admin('PUT', '/services/keyed', { url, tags: ['shop'] })
  await admin('PUT', '/services/keyed/routes/keyed', { paths: ['/keyed'] })
  for (const plugin of [{ name: 'key-auth' }, { name: 'circuit-breaker' }, qos])
    await admin('POST', '/services/keyed/plugins', plugin)
  await admin('PUT', '/services/contested', { url })
  await admin('POST', '/services/contested/plugins', { ...qos, instance_name: 'contested' })
  await admin('POST', '/plugins', { name: 'prometheus', config: { latency_metrics: true } })
  await admin('PUT', '/consumers/alice', {})
  await admin('POST', '/consumers/alice/key-auth', { key: KEY })
  await admin('PUT', '/consumers/rotated', {})
  await admin('POST', '/consumers/rotated/key-auth', { key: OLD_KEY })
  await admin('PUT', '/consumers/shy', {})
  await admin('POST', '/consumers/shy/key-auth', {})
  await admin('PUT', '/consumers/bob', { custom_id: MARKUP })
}

describe('the dashboard, in a browser', function () {
  this.timeout(300_000)
  const dashboard = Dashboard.use({ seed })

  const admin = (path: string) => dashboard.world.gateway.admin('GET', path)
  const request = (path: string, key?: string) => dashboard.request(path, key)
  const open = async (at: DashboardVisit, name: string) => {
    await at.page.getByRole('link', { name, exact: true }).click()
    await at.page.getByRole('heading', { name, exact: true }).waitFor()
    await at.isRead()
  }

  it('is served under a policy without inline scripts and styles, its files for ever', async () => {
    const { url } = dashboard.world
    const page = await fetch(url)
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none';.*script-src 'self';style-src 'self'/)
    assert.doesNotMatch(policy, /unsafe|\*|http/)
    assert.equal(page.headers.get('cache-control'), 'no-cache')
    const [, script = ''] = /src="([^"]+)"/.exec(await page.text()) ?? []
    const file = await fetch(`${url}${script}`)
    assert.equal(file.status, 200)
    assert.match(file.headers.get('content-type') ?? '', /javascript/)
    assert.equal(file.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    const outside = await fetch(`${url}/assets/..%2f..%2f..%2fpackage.json`)
    assert.ok(outside.status === 400 || outside.status === 404, String(outside.status))
  })

  it('lets in whom it knows, stays logged in over a reload, and logs out', async () => {
    const at = await dashboard.arrive()
    const { page } = at
    await page.getByLabel('Name').fill('admin')
    await page.getByLabel('Password').fill('wrong password')
    await at.button('Log in').click()
    await page.getByRole('alert').waitFor()
    await at.logIn('admin')
    await page.reload()
    await at.button('Log out').click()
    await page.getByLabel('Password').waitFor()
  })

  it('publishes an API as one change, which can be called, and takes it back with one click', async () => {
    const at = await dashboard.visit('editor', 'publish')
    const name = `published-${randomUUID().slice(0, 8)}`
    await at.page.getByLabel('Name', { exact: true }).fill(name)
    await at.page.getByLabel('URL').fill(dashboard.world.upstream.url)
    await at.page.getByLabel('Paths').fill(`/${name}`)
    await at.button('Next').click()
    await at.page.getByLabel(/^None/).check()
    await at.button('Next').click()
    await at.page.getByLabel('Requests').fill('1000')
    await at.button('Next').click()
    await at.page.getByLabel('Cache responses').check()
    await at.button('Review…').click()
    await at.page.getByText('Create plugin response-cache').waitFor()
    await at.page.getByText(`Create service ${name}`).waitFor()
    await at.button('Apply').click()
    await at.page.getByText(`${name} is published.`).waitFor()
    assert.deepEqual(await at.findings(), [])
    await until('it can be called', async () => (await request(`/${name}`)).status === 200)
    await at.button('Undo').click()
    await at.page.getByRole('heading', { name: 'Publish an API' }).waitFor()
    await until('it is gone', async () => (await request(`/${name}`)).status === 404)
  })

  it('edits a plugin of ours by its form: records, maps, lists, one of several, not set', async () => {
    const id = await dashboard.pluginId('qos')
    const at = await dashboard.visit('editor', `plugins/${id}`)
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
    const { config, tags } = (await admin(`/plugins/${id}`)) as {
      config: { tiers: { gold: { limits: Json[] } }; anonymous_consumers: unknown }
      tags: unknown
    }
    const [kept] = config.tiers.gold.limits
    assert.deepEqual([kept?.requests, kept?.algorithm, kept?.per], [120, 'sliding', 30])
    assert.deepEqual([config.anonymous_consumers, tags], [['nobody'], ['edited']])
    await at.field('/tags').getByRole('button', { name: 'Unset tags' }).click()
    await at.save()
    assert.equal((await admin(`/plugins/${id}`)).tags, null)
  })

  it('refuses a bad value at its field, whether the form or the manager sees it', async () => {
    const at = await dashboard.visit('editor', `plugins/${await dashboard.pluginId('qos')}`)
    const field = at.field('/config/retry_jitter')
    for (const [bad, reason] of [
      ['many', /must be a number/],
      ['7', /between 0 and 1/],
    ] as const) {
      await field.getByRole('textbox').fill(bad)
      await at.button('Save…').click()
      await field.getByText(reason).waitFor()
      await field.locator('[aria-invalid="true"]').waitFor()
    }
    await at.button('Discard').click()
    await field.getByText(/between 0 and 1/).waitFor({ state: 'detached' })
  })

  it('undoes a change from its page', async () => {
    const at = await dashboard.visit('editor', 'services')
    await open(at, 'undone')
    await at.field('/retries').getByRole('textbox').fill('9')
    await at.save()
    await at.page.getByRole('link', { name: 'See the change' }).click()
    await at.page.getByRole('row', { name: 'retries 5 9' }).waitFor()
    await at.button('Undo').click()
    await at.page.getByText('This change was undone.').waitFor()
    assert.equal((await admin('/services/undone')).retries, 5)
  })

  it('shows both versions when two operators edit the same plugin, and loses neither', async () => {
    const { data } = (await admin('/services/contested/plugins')) as { data: { id: string }[] }
    const id = data[0]?.id ?? ''
    const [mine, theirs] = [
      await dashboard.visit('editor', `plugins/${id}`),
      await dashboard.visit('admin', `plugins/${id}`),
    ]
    await theirs.field('/config/near_limit').getByRole('textbox').fill('0.5')
    await theirs.save()
    await mine.field('/config/retry_jitter').getByRole('textbox').fill('0.2')
    await mine.button('Save…').click()
    const dialog = mine.page.getByRole('dialog', { name: 'Somebody else has changed this' })
    await dialog.getByRole('row', { name: 'config.near_limit 0.8 0.5' }).waitFor()
    await dialog.getByRole('row', { name: 'config.retry_jitter 0.1 0.2' }).waitFor()
    assert.deepEqual(await mine.findings(), [])
    await mine.button('Put mine on top of theirs').click()
    await dialog.waitFor({ state: 'detached' })
    await mine.save()
    const { config } = await admin(`/plugins/${id}`)
    const { near_limit: near, retry_jitter: jitter } = config as Record<string, unknown>
    assert.deepEqual([near, jitter], [0.5, 0.2])
  })

  it('says that somebody else has deleted what is edited, and keeps what was typed', async () => {
    const { world } = dashboard
    const at = await dashboard.visit('editor', 'services')
    await open(at, 'deleted')
    const depth = at.field('/tls_verify_depth').getByRole('textbox')
    await depth.fill('7')
    assert.equal((await world.call('DELETE', '/v1/services/deleted')).status, 204)
    await at.button('Save…').click()
    const alert = at.page.getByRole('alert').filter({ hasText: 'Somebody else has deleted this.' })
    await alert.waitFor()
    // It stands above the field, which had been scrolled to.
    await until('it is in sight', () =>
      at.page.evaluate<boolean>(`(() => {
        const { top, bottom } = document.querySelector('main [role="alert"]').getBoundingClientRect()
        return top >= 0 && bottom <= innerHeight
      })()`),
    )
    assert.equal(await depth.inputValue(), '7')
  })

  it('asks to log in again when the session has ended, and saves what was typed', async () => {
    const { world } = dashboard
    const at = await dashboard.arrive()
    // The stream of events would notice the end by itself, at any moment.
    await at.page.route('**/v1/events', route => route.abort())
    await at.logIn('editor')
    await at.go('services')
    await open(at, 'kept')
    await at.field('/retries').getByRole('textbox').fill('7')
    await at.endSession()
    await at.button('Save…').click()
    await at.page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    assert.deepEqual(await at.findings(), [])
    await at.hasFocus(at.page.getByLabel('Password'))
    await at.page.getByLabel('Password').fill(PASSWORD)
    await at.button('Log in').click()
    await at.page.getByRole('row', { name: 'retries 5 7' }).waitFor()
    await at.button('Apply').click()
    await at.page.getByText('Saved.').waitFor()
    assert.equal((await world.gateway.admin('GET', '/services/kept')).retries, 7)
  })

  it('offers a viewer nothing to change, and an editor no operators', async () => {
    const viewer = await dashboard.visit('viewer', 'services')
    await open(viewer, 'looked-at')
    await viewer.page.getByText('your role is viewer').waitFor()
    assert.equal(await viewer.page.getByRole('button', { name: /Save|Delete|Unset|Add/ }).count(), 0)
    assert.equal(await viewer.page.getByRole('link', { name: /^New|Publish/ }).count(), 0)
    const editor = await dashboard.visit('editor', 'operators')
    await editor.page.getByRole('heading', { name: 'Your sessions' }).waitFor()
    assert.equal(await editor.button('Add an operator').count(), 0)
  })

  it('shows markup in a stored name as text', async () => {
    const at = await dashboard.visit('viewer', 'consumers')
    await at.page.getByText(MARKUP).waitFor()
    assert.equal(await at.page.locator('main img').count(), 0)
  })

  it('has the secret of a new credential in the page only when it is asked for, and never again', async () => {
    const at = await dashboard.visit('editor', 'consumers')
    await open(at, 'alice')
    await at.page.getByRole('link', { name: 'New key' }).click()
    await at.save('Create…')
    await at.page.getByText('Copy it now: it cannot be shown again.').waitFor()
    assert.equal(await at.page.locator('main code').count(), 0)
    await at.button('Show it').click()
    const key = (await at.page.locator('main code').textContent()) ?? ''
    assert.deepEqual(await at.findings(), [])
    await until('the key opens', async () => (await request('/keyed', key)).status !== 401)
    await at.page.getByRole('link', { name: 'Back to the consumer' }).click()
    await at.page.getByRole('heading', { name: 'Keys (2)' }).waitFor()
    const html = await at.page.content()
    assert.ok(!html.includes(key) && !html.includes(KEY))
  })

  it('says that a secret changes, and shows neither', async () => {
    const { data } = (await admin('/consumers/shy/key-auth')) as { data: { id: string }[] }
    const at = await dashboard.visit('editor', `key-auths/${data[0]?.id}`)
    await at.field('/key').locator('input').fill('the-next-key')
    await at.button('Save…').click()
    await at.page.getByRole('row', { name: 'key a secret another secret' }).waitFor()
  })

  it('rotates a credential with the keyboard alone: both are valid until the old one is deleted', async () => {
    const at = await dashboard.visit('editor', 'consumers')
    const { keyboard } = at.page
    await at.page.getByRole('link', { name: 'rotated', exact: true }).press('Enter')
    await at.page.getByRole('link', { name: /^key / }).press('Enter')
    await at.button('Rotate…').press('Enter')
    await at.page.getByText('Both are valid until you delete this one.').waitFor()
    await at.page.getByLabel(/^Reason/).press('Enter')
    const dialog = at.page.getByRole('dialog', { name: 'The new key' })
    await dialog.getByRole('button', { name: 'Show it' }).press('Enter')
    const key = (await dialog.locator('code').textContent()) ?? ''
    assert.deepEqual(await at.findings(), [])
    await keyboard.press('Escape')
    await at.hasFocus(at.button('Rotate…'))
    const isLetIn = async (one: string) => (await request('/keyed', one)).status !== 401
    await until('the new one opens', () => isLetIn(key))
    assert.ok(await isLetIn(OLD_KEY))
    await at.button('Delete…').press('Enter')
    await at.page.getByLabel(/^Reason/).press('Enter')
    await at.page.getByRole('heading', { name: /^Change of / }).waitFor()
    await until('the old one opens no more', async () => !(await isLetIn(OLD_KEY)))
    assert.ok(await isLetIn(key))
  })

  /** A change that is stuck: Kong refuses its second part, and refuses to take back the first one. */
  const getStuck = async (name: string): Promise<string> => {
    const { world } = dashboard
    const { id } = await admin(`/services/${name}`)
    const refusal = {
      status: 400,
      body: { message: 'refused', code: 2, name: 'schema violation', fields: {} },
    }
    let patches = 0
    world.admin.decide = (method, path) => {
      // A route is made when its service has been changed.
      if (method === 'PUT' && path.startsWith('/routes')) return refusal
      return method === 'PATCH' && path.includes(String(id)) && ++patches > 1 ? refusal : 'pass'
    }
    const { headers } = await world.call('POST', '/v1/changes', {
      operations: [
        { action: 'update', kind: 'services', key: id, body: { port: 77 } },
        { action: 'create', kind: 'routes', body: { service: { id }, paths: ['/never'] } },
      ],
    })
    const change = headers.get('sluice-change') ?? ''
    await until('it is stuck', async () => {
      const { body } = await world.call('GET', `/v1/changes/${change}`)
      return body.state === 'stuck'
    })
    world.admin.decide = () => 'pass'
    return change
  }

  it('tries a stuck change again, which then is undone', async () => {
    const change = await getStuck('stuck')
    const at = await dashboard.visit('editor', 'changes')
    await at.page.getByLabel('State').selectOption('stuck')
    await at.page
      .getByRole('row', { name: /service stuck/ })
      .getByRole('link')
      .click()
    await at.page.getByText('Part of this change could not be undone.').waitFor()
    assert.ok(at.page.url().endsWith(change))
    assert.deepEqual(await at.findings(), [])
    await at.button('Try to undo it again').click()
    await at.page.getByText('Failed and undone').waitFor()
    assert.notEqual((await admin('/services/stuck')).port, 77)
    // What failed is in force nowhere, so there is nothing to undo.
    assert.equal(await at.button('Undo').count(), 0)
  })

  it('leaves what is stuck as it is, with a reason', async () => {
    const at = await dashboard.visit('editor', `changes/${await getStuck('left')}`)
    await at.page.getByLabel(/^Reason/).fill('the port is right')
    await at.button('Leave it as it is').click()
    await at.page.getByText('by editor: the port is right').waitFor()
    assert.equal(await at.button('Leave it as it is').count(), 0)
    assert.equal((await admin('/services/left')).port, 77)
    const { status } = await dashboard.world.call('PATCH', '/v1/services/left', { retries: 1 })
    assert.equal(status, 200)
  })

  it('changes the password of who is logged in, and refuses a wrong or weak one', async () => {
    const { world } = dashboard
    const name = 'changing'
    const made = await world.call('POST', '/v1/operators', { name, role: 'viewer', password: PASSWORD })
    assert.equal(made.status, 201, made.text)
    const at = await dashboard.arrive()
    await at.logIn(name)
    await at.page.getByRole('link', { name, exact: true }).click()
    const change = async (current: string, next: string) => {
      await at.page.getByLabel('Current password').fill(current)
      await at.page.getByLabel(/^New password/).fill(next)
      await at.button('Change password').click()
    }
    await change('something else', 'a new and long enough one')
    await at.page.getByText('current: is not the present password').waitFor()
    await change(PASSWORD, 'short')
    await at.page.getByRole('alert').getByText(/new: /).waitFor()
    await change(PASSWORD, 'a new and long enough one')
    await at.page.getByText('Your password was changed.').waitFor()
    await at.button('Log out').click()
    await at.logIn(name, 'a new and long enough one')
  })

  it('shows what the gateway offers, with what protects it', async () => {
    const at = await dashboard.visit('viewer', 'catalogue')
    await at.page.getByRole('row', { name: /^keyed \/keyed any any key-auth gold: \d+ in / }).waitFor()
  })

  it('can be used with the keyboard alone', async () => {
    const at = await dashboard.arrive()
    const { page } = at
    const { keyboard } = page
    await at.hasFocus(page.getByLabel('Name'))
    await keyboard.type('editor')
    await keyboard.press('Tab')
    await keyboard.type(PASSWORD)
    await keyboard.press('Enter')
    await page.getByRole('link', { name: 'Services', exact: true }).press('Enter')
    await page.getByRole('link', { name: 'typed', exact: true }).press('Enter')
    await at.hasFocus(page.getByRole('heading', { name: 'typed' }))
    const retries = at.field('/retries').getByRole('textbox')
    await retries.press('ControlOrMeta+a')
    await keyboard.type('4')
    await keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('row', { name: /^retries/ }).waitFor()
    await keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await at.hasFocus(retries)
    await at.button('Save…').press('Enter')
    await dialog.getByLabel(/^Reason/).press('ControlOrMeta+a')
    await keyboard.type('by keyboard')
    await keyboard.press('Enter')
    await page.getByText('Saved.').waitFor()
    await at.button('Undo').press('Enter')
    await page.getByText('Saved.').waitFor({ state: 'detached' })
    await at.hasFocus(page.getByRole('heading', { name: 'typed' }))
  })

  it('publishes, deletes and searches with the keyboard alone', async () => {
    const at = await dashboard.visit('editor', 'publish')
    const { page } = at
    const { keyboard } = page
    const dialog = page.getByRole('dialog')
    const name = `typed-${randomUUID().slice(0, 8)}`
    await at.hasFocus(page.getByLabel('Name', { exact: true }))
    for (const text of [name, dashboard.world.upstream.url, `/${name}`]) {
      await keyboard.type(text)
      await keyboard.press('Tab')
    }
    await keyboard.press('Enter')
    await at.hasFocus(page.getByLabel(/^Keys/))
    await keyboard.press('ArrowUp')
    await at.hasFocus(page.getByLabel(/^None/))
    await keyboard.press('Enter')
    await at.hasFocus(page.getByLabel('Limit each consumer'))
    await keyboard.press('Enter')
    await at.hasFocus(page.getByLabel('Cache responses'))
    await keyboard.press('Enter')
    await dialog.getByLabel(/^Reason/).press('Enter')
    await page.getByText(`${name} is published.`).waitFor()
    await until('it can be called', async () => (await request(`/${name}`)).status === 200)
    await page.getByRole('link', { name: 'Routes', exact: true }).press('Enter')
    await at.hasFocus(page.getByRole('heading', { name: 'Routes' }))
    await page.getByRole('searchbox').focus()
    await keyboard.type(name)
    await page.getByRole('status').filter({ hasText: '1 found' }).waitFor()
    // Its service has the same name, in another column.
    await page.getByRole('row', { name }).getByRole('link').first().press('Enter')
    await at.button('Delete…').press('Enter')
    await dialog.getByLabel(/^Reason/).press('Enter')
    await at.hasFocus(page.getByRole('heading', { name: new RegExp(`^Change of route ${name}`) }))
  })

  it('adds an operator, and creates and revokes a token with the keyboard alone', async () => {
    const at = await dashboard.visit('admin', 'operators')
    const { page } = at
    const { keyboard } = page
    const dialog = page.getByRole('dialog')
    await at.button('Add an operator').press('Enter')
    await at.hasFocus(dialog.getByLabel('Name'))
    await keyboard.type('eve')
    await keyboard.press('Tab')
    await keyboard.press('ArrowDown')
    await keyboard.press('Tab')
    await keyboard.type(PASSWORD)
    await keyboard.press('Enter')
    await page.getByRole('row', { name: /^eve editor .* active/ }).waitFor()
    await at.hasFocus(at.button('Add an operator'))
    await at.button('Create a token').press('Enter')
    await at.hasFocus(dialog.getByLabel('Operator'))
    await keyboard.type('eve')
    await keyboard.press('Tab')
    await keyboard.type('nightly')
    await keyboard.press('Enter')
    const shown = page.getByRole('dialog', { name: 'The token' })
    const token = (await shown.locator('code').textContent()) ?? ''
    const ask = () => dashboard.world.call('GET', '/v1/session', undefined, { token })
    assert.equal((await ask()).body.operator, 'eve')
    await keyboard.press('Escape')
    await at.hasFocus(at.button('Create a token'))
    assert.ok(!(await page.content()).includes(token))
    await at.button('Revoke nightly of eve').press('Enter')
    await dialog.getByRole('button', { name: 'Revoke', exact: true }).press('Enter')
    await page.getByRole('row', { name: /^eve nightly .* revoked/ }).waitFor()
    await at.hasFocus(page.getByRole('heading', { name: 'Tokens' }))
    assert.equal((await ask()).status, 401)
  })
})
