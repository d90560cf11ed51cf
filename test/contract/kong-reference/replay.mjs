#!/usr/bin/env node
// Replays scenario files against a gateway (Admin API + proxy) and records or compares what it answers.
//   replay.mjs --record DIR  SCENARIO.json...     writes DIR/<scenario>.json
//   replay.mjs --compare DIR SCENARIO.json...     exit 1 when an answer differs from DIR/<scenario>.json
// ADMIN_URL (default http://127.0.0.1:8001) and PROXY_URL (default http://127.0.0.1:8000) say where the gateway is.
// Every scenario starts from an empty configuration: all entities are deleted first.
// An echo upstream is started on UPSTREAM_PORT (default 19099) for the scenarios to proxy to.
import http from 'node:http'
import fs from 'node:fs'
import path from 'node:path'

const admin = new URL(process.env.ADMIN_URL ?? 'http://127.0.0.1:8001')
const proxy = new URL(process.env.PROXY_URL ?? 'http://127.0.0.1:8000')
const upstreamPort = Number(process.env.UPSTREAM_PORT ?? 19099)
const settleMs = Number(process.env.SETTLE_MS ?? 1200)

// ---- echo upstream -------------------------------------------------------
const upstream = http.createServer((req, res) => {
  const chunks = []
  req.on('data', c => chunks.push(c))
  req.on('end', () => {
    const url = new URL(req.url, 'http://x')
    const status = Number(url.searchParams.get('status') ?? 200)
    const delay = Number(url.searchParams.get('delay') ?? 0)
    const reset = url.searchParams.get('reset')
    if (reset) return req.socket.destroy()
    const send = () => {
      const body = JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString() })
      res.writeHead(status, { 'content-type': 'application/json', 'x-upstream': 'echo', 'content-length': Buffer.byteLength(body) })
      res.end(req.method === 'HEAD' ? undefined : body)
    }
    delay ? setTimeout(send, delay) : send()
  })
})

// ---- http ----------------------------------------------------------------
function request (base, { method = 'GET', path: p, headers = {}, json, form, raw }) {
  return new Promise((resolve, reject) => {
    const h = { ...headers }
    let body
    if (json !== undefined) { body = JSON.stringify(json); h['content-type'] ??= 'application/json' }
    if (form !== undefined) { body = form; h['content-type'] ??= 'application/x-www-form-urlencoded' }
    if (raw !== undefined) body = raw
    if (body !== undefined) h['content-length'] = Buffer.byteLength(body)
    const req = http.request({ host: base.hostname, port: base.port, method, path: p, headers: h, agent: false }, res => {
      const chunks = []
      res.on('data', c => chunks.push(c))
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        let parsed = text
        try { parsed = JSON.parse(text) } catch {}
        resolve({ status: res.statusCode, headers: res.headers, body: parsed })
      })
      res.on('error', reject)
    })
    req.setTimeout(20000, () => req.destroy(new Error('timeout')))
    req.on('error', reject)
    req.end(body)
  })
}

const COLLECTIONS = ['plugins', 'acls', 'key-auths', 'basic-auths', 'jwts', 'consumers', 'routes', 'services', 'upstreams']
async function wipe () {
  for (const c of COLLECTIONS) {
    for (;;) {
      const { status, body } = await request(admin, { path: `/${c}?size=1000` })
      if (status !== 200 || !body.data?.length) break
      for (const e of body.data) await request(admin, { method: 'DELETE', path: `/${c}/${e.id}` })
    }
  }
}

// ---- normalising ---------------------------------------------------------
const KEEP_HEADERS = ['content-type', 'www-authenticate', 'via', 'x-upstream', 'x-kong-response-latency', 'x-kong-upstream-latency', 'x-kong-proxy-latency',
  'x-kong-request-id', 'retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'x-ratelimit-limit-minute', 'x-ratelimit-remaining-minute',
  'x-ratelimit-limit-second', 'x-ratelimit-remaining-second', 'x-ratelimit-limit-hour', 'x-ratelimit-remaining-hour', 'location', 'allow', 'access-control-allow-origin', 'deprecation']
// a page of entities comes in the order of their random ids: compare it in the order of their names
const label = e => String(e?.name ?? e?.username ?? e?.custom_id ?? e?.key ?? e?.target ?? '')
function normaliser (ids) {
  const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
  const name = u => { if (!ids.has(u)) ids.set(u, `<uuid:${ids.size + 1}>`); return ids.get(u) }
  const walk = (v, k) => {
    if (typeof v === 'string') {
      let s = v.replace(uuid, name).replaceAll(String(upstreamPort), '<upstream-port>').replaceAll(':19099', ':<upstream-port>')
      if (k === 'request_id' || k === 'x-kong-request-id') s = '<request-id>'
      if (/latency/.test(k ?? '')) s = '<ms>'
      if (k === 'x-forwarded-port' || k === 'host') s = s.replaceAll(proxy.port, '<proxy-port>')
      s = s.replace(/\b[0-9a-f]{32}\b(?=<\/|\n)/g, '<request-id>')
      if (/^[A-Za-z0-9]{32}$/.test(s)) s = '<random:32>'
      if (k === 'offset') s = '<offset>'
      if (k === 'next') s = s.replace(/offset=[^&]+/, 'offset=<offset>')
      if (k === 'via' || k === 'server') s = s.replace(/kong\/[\w.\-]+/, 'kong/<version>')
      return s
    }
    // The answers were recorded with the upstream on port 19099.
    if (k === 'port' && v === upstreamPort) return 19099
    // the answers were recorded with this port
    if (v === upstreamPort) return 19099
    if (typeof v === 'number' && ['created_at', 'updated_at'].includes(k)) return '<time>'
    if (typeof v === 'number' && /ratelimit-reset|retry-after/.test(k ?? '')) return '<s>'
    if (Array.isArray(v)) return (k === 'data' ? [...v].sort((a, b) => label(a) < label(b) ? -1 : 1) : v).map(x => walk(x, k))
    if (v && typeof v === 'object') return Object.fromEntries(Object.keys(v).sort().map(q => [q, walk(v[q], q)]))
    return v
  }
  return walk
}
function pick (headers, extra = []) {
  const out = {}
  for (const h of [...KEEP_HEADERS, ...extra]) if (headers[h] !== undefined) out[h] = /ratelimit-reset|retry-after/.test(h) ? '<s>' : headers[h]
  return out
}
const fill = (v, vars) => typeof v === 'string'
  ? v.replaceAll(':19099', `:${upstreamPort}`).replace(/\{\{([^}]+)\}\}/g, (_, e) => e === 'upstream' ? `http://127.0.0.1:${upstreamPort}` : e.split('.').reduce((o, k) => o?.[k], vars) ?? `{{${e}}}`)
  : Array.isArray(v) ? v.map(x => fill(x, vars)) : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, fill(x, vars)])) : v
const subset = (body, only) => only ? Object.fromEntries(only.map(k => [k, body?.[k]])) : body

// ---- run -----------------------------------------------------------------
async function run (file) {
  const scenario = JSON.parse(fs.readFileSync(file, 'utf8'))
  await wipe()
  const vars = {}
  const ids = new Map()
  const norm = normaliser(ids)
  const out = []
  let dirty = false
  for (const [i, step] of scenario.steps.entries()) {
    const s = fill(step, vars)
    const base = s.target === 'proxy' ? proxy : admin
    if (s.target === 'proxy' && dirty) { await new Promise(r => setTimeout(r, settleMs)); dirty = false }
    if (s.target !== 'proxy' && s.method && s.method !== 'GET') dirty = true
    const res = await request(base, s)
    if (s.as) vars[s.as] = res.body
    if (s.skip) continue
    out.push(norm({ step: s.note ?? `${i}: ${step.target ?? 'admin'} ${s.method ?? 'GET'} ${step.path}`, status: res.status, headers: pick(res.headers, s.headersOf), body: subset(res.body, s.only) }))
  }
  return { name: scenario.name, answers: out }
}

const [mode, dir, ...files] = process.argv.slice(2)
if (!['--record', '--compare'].includes(mode) || !files.length) { console.error('usage: replay.mjs --record|--compare DIR SCENARIO.json...'); process.exit(2) }
await new Promise((resolve, reject) => upstream.listen(upstreamPort, '127.0.0.1', resolve).on('error', reject))
let passed = 0; let failed = 0
for (const f of files) {
  const got = await run(f)
  const golden = path.join(dir, path.basename(f))
  if (mode === '--record') { fs.mkdirSync(dir, { recursive: true }); fs.writeFileSync(golden, JSON.stringify(got, null, 1) + '\n'); console.log(`${got.name}: ${got.answers.length} answers recorded`); passed += got.answers.length; continue }
  const want = JSON.parse(fs.readFileSync(golden, 'utf8'))
  for (const [i, w] of want.answers.entries()) {
    const g = got.answers[i]
    if (JSON.stringify(w) === JSON.stringify(g)) { passed++; continue }
    failed++
    console.log(`--- ${got.name} / ${w.step}`)
    for (const k of ['status', 'headers', 'body']) if (JSON.stringify(w[k]) !== JSON.stringify(g?.[k])) console.log(`  ${k}\n    want ${JSON.stringify(w[k])}\n    got  ${JSON.stringify(g?.[k])}`)
  }
}
console.log(`${passed} passed, ${failed} failed`)
upstream.close(); upstream.closeAllConnections()
process.exitCode = failed ? 1 : 0
