/**
 * A denial that can't be delivered as its plugin wants it must not let the request through. Every form of "deny" is
 * tried through the gateway: a module for Kong's JavaScript plugin server in that server (kong-pdk) and in ours, and a
 * plugin of our own with the same code, over both protocols.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { startUpstream, type Upstream } from '../../../testing/upstream.ts'
import { makeFolder } from '../../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../../support/gateway.ts'
import { startKongJsServer } from '../../support/kong-js-server.ts'
import { runSluice } from '../../support/run-sluice.ts'
import { startServerProcess } from '../../support/server-process.ts'

interface Form {
  readonly name: string
  /** The access phase of the plugin. */
  readonly code: string
  /** What the client gets: from kong-pdk's server and from ours; the module, and the same code as our own plugin. */
  readonly status: { readonly pdk: number; readonly module: number; readonly own: number }
  readonly body?: RegExp
  readonly headers?: Readonly<Record<string, string | null>>
}

const always = (status: number) => ({ pdk: status, module: status, own: status })
/** Kong refuses the arguments with 500; our own plugins answer 503 for what is a failure of theirs. */
const refused = { pdk: 500, module: 500, own: 503 }

const FORMS: readonly Form[] = [
  { name: 'a status alone', code: 'await kong.response.exit(401)', status: always(401) },
  { name: 'a null body', code: 'await kong.response.exit(401, null)', status: always(401) },
  {
    name: 'a null body and headers',
    code: "await kong.response.exit(401, null, { 'x-deny': 'yes' })",
    status: always(401),
  },
  {
    name: 'null headers',
    code: "await kong.response.exit(401, 'no', null)",
    status: always(401),
    body: /^no$/,
  },
  {
    name: 'an object as the body',
    code: 'await kong.response.exit(401, { reason: "no" })',
    status: always(401),
    body: /^\{"reason":"no"\}$/,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  },
  { name: 'a number as the body', code: 'await kong.response.exit(401, 42)', status: refused },
  { name: 'a boolean as the body', code: 'await kong.response.exit(401, false)', status: refused },
  {
    name: 'a header without a value',
    code: "await kong.response.exit(401, 'no', { 'x-deny': undefined, 'x-other': 'yes' })",
    status: always(401),
    headers: { 'x-deny': null, 'x-other': 'yes' },
  },
  {
    name: 'a header with a line break',
    code: "await kong.response.exit(401, 'no', { 'x-deny': 'a\\r\\nx-forged: b' })",
    status: always(401),
    headers: { 'x-deny': 'a%0D%0Ax-forged: b', 'x-forged': null },
  },
  { name: 'a string as the status', code: "await kong.response.exit('403', 'no')", status: refused },
  {
    name: "Kong's own error",
    code: "await kong.response.error(401, 'no', { 'x-deny': 'yes' })",
    status: always(401),
    body: /"message":"no",\s+"request_id":"[0-9a-f]{32}"/,
    headers: { 'x-deny': 'yes', 'content-type': 'application/json; charset=utf-8' },
  },
  {
    name: "Kong's own error without a message",
    code: 'await kong.response.error(403)',
    status: always(403),
    body: /"message":"Forbidden"/,
  },
  {
    name: 'an exit that depends on the parsed body',
    code: "if ((await kong.request.getBody()).role !== 'admin') await kong.response.exit(403)",
    status: always(403),
  },
  {
    name: 'an exit after a call that Kong does not have',
    code: 'await kong.request.getTenant(); await kong.response.exit(403)',
    status: { pdk: 403, module: 500, own: 503 },
  },
  {
    name: 'an exit after 1.5 s',
    code: 'await new Promise(resolve => setTimeout(resolve, 1500)); await kong.response.exit(401)',
    // Our own plugins declare their deadlines, a second where they don't.
    status: { pdk: 401, module: 401, own: 503 },
  },
  {
    name: 'an exit in a callback, for which the handler waits',
    code: 'await new Promise(() => setTimeout(() => kong.response.exit(401), 20))',
    status: always(401),
  },
  {
    name: 'an exit that is not awaited, by a handler that never ends',
    code: 'kong.response.exit(401); await new Promise(() => {})',
    status: always(401),
  },
  {
    name: 'an exit that is not awaited, by a handler that goes on',
    code: "kong.response.exit(401); await kong.service.request.setHeader('x-admitted', 'yes')",
    status: always(401),
  },
  {
    name: 'an exit with a refused argument that is not awaited',
    code: "kong.response.exit('401')?.catch?.(() => {})",
    status: refused,
  },
  {
    name: 'an exit with a refused argument in a callback that then ends the handler',
    code: `await new Promise(done => setTimeout(async () => {
      try { await kong.response.exit('401') } catch {}
      done()
    }, 20))`,
    status: refused,
  },
]

/** What kong-pdk's server lets through, and we don't: a plugin that fails has not said yes. */
const FAILURES: readonly (Pick<Form, 'name' | 'code'> & { readonly status: number })[] = [
  { name: 'throws', code: "throw new Error('on purpose')", status: 503 },
  { name: 'rejects with no error at all', code: 'await Promise.reject(undefined)', status: 503 },
  { name: 'never ends', code: 'await new Promise(() => {})', status: 503 },
  { name: 'misspells its exit', code: 'await kong.response.exitt(403)', status: 500 },
  { name: 'calls what the phase does not have', code: 'kong.response.getStatus()', status: 500 },
]

const ALL = [...FORMS, ...FAILURES]
const HANDLERS = `[${ALL.map(({ code }) => `async kong => { ${code} }`).join(',\n')}]`

const MODULE = `
const handlers = ${HANDLERS}
class Deny {
  constructor(config) { this.config = config }
  access(kong) { return handlers[this.config.form](kong) }
}
module.exports = { Plugin: Deny, Name: 'deny', Version: '1.0.0', Priority: 10, Schema: [{ form: { type: 'integer' } }] }
`
const OWN = `
const handlers = ${HANDLERS}
export const plugin = {
  name: 'own', version: '1.0.0', priority: 10,
  config: { type: 'object', required: ['form'], properties: { form: { type: 'integer' } } },
  phases: { access: (kong, { config }) => handlers[config.form](kong) },
}
`
const PDK_DUMP = [
  {
    Name: 'deny',
    Version: '1.0.0',
    Priority: 10,
    Phases: ['access'],
    Schema: {
      name: 'deny',
      fields: [{ config: { type: 'record', fields: [{ form: { type: 'integer' } }] } }],
    },
  },
]

describe('a denial', function () {
  this.timeout(60_000)
  const folder = makeFolder()
  const plugins = path.join(folder.path, 'plugins')
  const closing: (() => void | Promise<void>)[] = []
  let upstream: Upstream
  let ours: string
  let open: string
  let pdk: string

  before(async () => {
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'deny.js'), MODULE)
    upstream = await startUpstream()
    pdk = (await closed(startKongJsServer(plugins, folder.path))).socket
    writeFileSync(path.join(plugins, 'own.mjs'), OWN)
    const env = { SLUICE_PLUGINS_DEADLINE_MS: '2500', SLUICE_LOG_LEVEL: 'fatal' }
    ours = (await closed(startServerProcess(env, { plugins }))).socket
    open = (await closed(startServerProcess({ ...env, SLUICE_PLUGINS_ON_ERROR: 'open' }, { plugins }))).socket
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
    await upstream.close()
    folder.remove()
  })

  async function closed<T extends { close(): void | Promise<void> }>(starting: Promise<T>): Promise<T> {
    const started = await starting
    closing.push(() => started.close())
    return started
  }

  /** A route for each form of a plugin. */
  async function gatewayFor(plugin: string, socket: string, query: string): Promise<RunningGateway> {
    const gateway = await closed(
      startTestGateway({
        KONG_PLUGINS: `bundled,${plugin}`,
        KONG_PLUGINSERVER_NAMES: 'tested',
        KONG_PLUGINSERVER_TESTED_SOCKET: socket,
        KONG_PLUGINSERVER_TESTED_QUERY_CMD: query,
      }),
    )
    await gateway.admin('POST', '/services', { name: 's', url: `http://127.0.0.1:${upstream.port}` })
    for (const form of ALL.keys()) {
      await gateway.admin('POST', '/services/s/routes', { name: `form-${form}`, paths: [`/${form}/`] })
      await gateway.admin('POST', `/routes/form-${form}/plugins`, { name: plugin, config: { form } })
    }
    return gateway
  }

  async function dumped(plugin: string, protocol: string): Promise<string> {
    const out = path.join(folder.path, protocol)
    await runSluice(['dump', '--plugins', plugins, '--protocol', protocol, '--out', out])
    return `cat ${path.join(out, `${plugin}.json`)}`
  }

  async function assertDenied(gateway: RunningGateway, form: Omit<Form, 'status'>, status: number) {
    upstream.take()
    const index = ALL.findIndex(({ name }) => name === form.name)
    const answer = await fetch(`${gateway.proxyUrl}/${index}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"role":"guest"}',
    })
    const text = await answer.text()
    assert.equal(upstream.take(), undefined, 'the request has reached the service')
    assert.equal(answer.status, status, text)
    if (form.body && status < 500) assert.match(text, form.body)
    if (status < 500)
      for (const [name, value] of Object.entries(form.headers ?? {}))
        assert.equal(answer.headers.get(name), value, name)
  }

  describe("of a module in Kong's own JavaScript plugin server ends the request:", () => {
    let gateway: RunningGateway
    before(async () => {
      gateway = await gatewayFor('deny', pdk, `echo '${JSON.stringify(PDK_DUMP)}'`)
    })
    for (const form of FORMS) it(form.name, () => assertDenied(gateway, form, form.status.pdk))
  })

  for (const protocol of ['ProtoBuf:1', 'MsgPack:1']) {
    describe(`of the same module in our server, over ${protocol}, ends the request:`, () => {
      let gateway: RunningGateway
      before(async () => {
        gateway = await gatewayFor('deny', ours, await dumped('deny', protocol))
      })
      for (const form of FORMS) it(form.name, () => assertDenied(gateway, form, form.status.module))
      for (const form of FAILURES)
        it(`of one that ${form.name}`, () => assertDenied(gateway, form, form.status))
    })

    describe(`of a plugin of our own, over ${protocol}, ends the request:`, () => {
      let gateway: RunningGateway
      before(async () => {
        gateway = await gatewayFor('own', ours, await dumped('own', protocol))
      })
      for (const form of FORMS) it(form.name, () => assertDenied(gateway, form, form.status.own))
      for (const form of FAILURES) it(`of one that ${form.name}`, () => assertDenied(gateway, form, 503))
    })

    it(`that fails lets the request pass over ${protocol} where the operator asked for that`, async () => {
      const gateway = await gatewayFor('deny', open, await dumped('deny', protocol))
      for (const { name, code } of FAILURES) {
        const answer = await fetch(`${gateway.proxyUrl}/${ALL.findIndex(form => form.name === name)}/`)
        assert.equal(answer.status, 200, code)
      }
      for (const form of FORMS.filter(({ status }) => status.module < 500))
        await assertDenied(gateway, form, form.status.module)
    })
  }
})
