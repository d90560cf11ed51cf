import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { Detection } from '../../../plugins/key-auth-audit/detect.ts'
import { createFingerprinter } from '../../../plugins/key-auth-audit/fingerprint.ts'
import { createAudit, PLUGIN_ID, SECRET } from './harness.ts'
import { RECORDED, recorded } from './recorded.ts'

describe('key-auth-audit', () => {
  const only = async (log: unknown, config: Record<string, unknown> = {}) => {
    const audit = createAudit(config)
    await audit.log(log)
    assert.equal(audit.events.drafts.length, 1)
    return audit.events.drafts[0]!
  }

  it('records who used which key on what, and when', async () => {
    const log = recorded('key-granted')
    const { type, subject, timeMs, data } = await only(log)
    assert.equal(type, 'key-auth.granted.v1')
    assert.equal(subject, `consumer/${log.consumer.id}`)
    assert.equal(timeMs, log.started_at)
    assert.deepEqual(data, {
      request_id: log.request.id,
      trace_id: null,
      internal: null,
      outcome: 'granted',
      reason: null,
      scheme: 'key',
      consumer_id: log.consumer.id,
      consumer_username: 'eddie',
      consumer_custom_id: 'eid',
      credential_id: log.authenticated_entity.id,
      key_fingerprint: createHmac('sha256', SECRET).update('ek').digest('hex'),
      key_secret_id: createFingerprinter(SECRET).secretId,
      key_visibility: 'visible',
      key_location: 'header',
      key_name: 'apikey',
      client_ip: '127.0.0.1',
      forwarded_ip: null,
      method: 'GET',
      host: '127.0.0.1:28010',
      path: '/ka',
      route_id: log.route.id,
      route_name: 'ka',
      service_id: log.service.id,
      service_name: log.service.name,
      status: 200,
      answered_by: 'service',
      upstream: `127.0.0.1:${log.tries[0].port}`,
      upstream_tries: 1,
      latency_ms: log.latencies.request,
      latency_kong_ms: log.latencies.kong,
      latency_upstream_ms: log.latencies.proxy,
      sample_rate: 1,
    })
  })

  it('tells a part of an aggregate from a request of a client, and whose it is', async () => {
    const audit = createAudit({ brute_force: { failures: 2 } })
    const log = recorded('key-invalid')
    for (const client of ['192.0.2.1', '192.0.2.2'])
      await audit.log({ ...log, sluice: { internal: { purpose: 'part', client_ip: client } } })
    assert.deepEqual(
      audit.events.drafts.map(({ type, data }) => [type, data.internal, data.client_ip]),
      [
        ['key-auth.denied.v1', 'part', '192.0.2.1'],
        ['key-auth.denied.v1', 'part', '192.0.2.2'],
      ],
    )
    assert.match(await audit.metrics(), /outcome="internal"/)
    assert.doesNotMatch(await audit.metrics(), /outcome="denied"/)
  })

  it('asks Kong one question, whatever the outcome', async () => {
    for (const { log } of RECORDED) {
      const audit = createAudit()
      await audit.log(log)
      assert.deepEqual(audit.calls, ['log.serialize'])
    }
  })

  it('publishes only what its schemas describe, for every recorded outcome', async () => {
    const audit = createAudit()
    for (const { log } of RECORDED) await audit.log(log) // throws where a schema is not kept
    assert.deepEqual(
      audit.events.drafts.map(draft => draft.type).sort(),
      [...Array(8).fill('key-auth.denied.v1'), ...Array(3).fill('key-auth.granted.v1')].sort(),
    )
  })

  it('gives the same fingerprint to a key in a header, in the query and percent-encoded', async () => {
    const query = recorded('key-in-query')
    const encoded = recorded('key-in-query')
    encoded.request.uri = '/ka?apikey=%65%6B'
    const prints = await Promise.all(
      [recorded('key-granted'), query, encoded].map(async log => (await only(log)).data.key_fingerprint),
    )
    assert.equal(new Set(prints).size, 1)
    assert.equal((await only(query)).data.key_location, 'query')
  })

  it('keeps the bytes of a key that is not UTF-8 where the request line has them', async () => {
    const log = recorded('key-in-query')
    log.request.uri = '/ka?apikey=%ff%fe'
    const { data } = await only(log)
    assert.equal(
      data.key_fingerprint,
      createHmac('sha256', SECRET)
        .update(Buffer.from([0xff, 0xfe]))
        .digest('hex'),
    )
    const header = recorded('key-granted')
    header.request.headers.apikey = '\ufffd\ufffd'
    const spoilt = (await only(header)).data
    assert.deepEqual([spoilt.key_fingerprint, spoilt.key_visibility], [null, 'unreadable'])
  })

  it('uses another fingerprint and another secret id after the secret was rotated', () => {
    const [old, fresh] = [createFingerprinter(SECRET), createFingerprinter('another-secret-of-the-tests')]
    assert.notEqual(old.of('ek'), fresh.of('ek'))
    assert.notEqual(old.secretId, fresh.secretId)
    assert.ok(!SECRET.includes(old.secretId) && old.of('ek') !== old.secretId)
  })

  it('finds the key under the names that the configuration gives', async () => {
    const log = recorded('key-invalid')
    log.request.headers['x-api-key'] = log.request.headers.apikey
    delete log.request.headers.apikey
    const { data } = await only(log, { key_names: ['apikey', 'X_API_Key'] })
    assert.deepEqual([data.key_name, data.reason], ['X_API_Key', 'invalid'])
  })

  it('shows a key nowhere, whatever else of the request holds it, and no query', async () => {
    const key = 's3cr3t key'
    const inHeader = { 'x-key': key, host: `${key}.example` }
    const inQuery = { host: 's3cr3t+key.example' }
    for (const [headers, query] of [
      [inHeader, ''],
      [inQuery, '?x_key=s3cr3t+key&token=other'],
    ] as const) {
      const log = recorded('key-granted')
      const request = { ...log.request, method: Object.values(headers)[0], headers, uri: `/a/b${query}` }
      const { data } = await only({ ...log, request }, { key_names: ['x_key'], path: 'full' })
      assert.equal(data.key_fingerprint, createHmac('sha256', SECRET).update(key).digest('hex'))
      assert.doesNotMatch(JSON.stringify(data), /s3cr3t|token/)
      assert.equal(data.path, '/a/b')
    }
  })

  it('fingerprints none of several keys', async () => {
    const log = recorded('key-invalid')
    const request = { ...log.request, headers: { ...log.request.headers, apikey: ['one', 'two'] } }
    const { data } = await only({ ...log, request })
    assert.deepEqual([data.key_fingerprint, data.key_visibility], [null, 'several'])
  })

  it('tells nothing of its secret by the id of it', () => {
    const { secretId } = createFingerprinter(SECRET)
    assert.notEqual(secretId, createHash('sha256').update(SECRET).digest('hex').slice(0, 8))
    assert.match(secretId, /^[0-9a-f]{8}$/)
  })

  it('says that a key was hidden, and counts such failures by address only', async () => {
    const log = recorded('key-missing')
    const { data } = await only(log, { hide_credentials: true })
    assert.deepEqual(
      [data.reason, data.key_fingerprint, data.key_visibility],
      ['missing_or_invalid', null, 'hidden'],
    )
  })

  it('keeps only networks of addresses when told so', async () => {
    const log = recorded('key-granted')
    log.client_ip = '203.0.113.77'
    log.request.headers['x-forwarded-for'] = '2001:db8:abcd:12::7, 10.0.0.1'
    const { data } = await only(log, { anonymize_ip: true })
    assert.deepEqual([data.client_ip, data.forwarded_ip], ['203.0.113.0', '2001:db8:abcd::'])
  })

  it('makes the same event of a request that is logged twice', async () => {
    const audit = createAudit()
    await audit.log(recorded('key-granted'))
    await audit.log(recorded('key-granted'))
    const [first, second] = audit.events.drafts
    assert.equal(first!.identity, `${recorded('key-granted').request.id}:${PLUGIN_ID}`)
    assert.deepEqual(second, first)
  })

  it('samples granted requests by their id, and keeps every failure', async () => {
    const audit = createAudit({ sample: 0.25 })
    for (let i = 0; i < 2_000; i++) {
      const log = recorded('key-granted')
      log.request.id = `request-${i}`
      await audit.log(log)
      await audit.log(log)
    }
    const kept = audit.events.drafts.length / 2
    assert.ok(kept > 400 && kept < 600, `${kept} of 2,000`)
    assert.equal(new Set(audit.events.drafts.map(draft => draft.identity)).size, kept)
    assert.ok(audit.events.drafts.every(draft => draft.data.sample_rate === 0.25))
    await audit.log(recorded('key-invalid'))
    assert.equal(audit.events.of('key-auth.denied.v1').at(-1)!.data.sample_rate, 1)
  })

  it('needs a secret, and a long one, and does not show it', () => {
    assert.throws(() => createAudit({}, { secret: undefined }), /SLUICE_FINGERPRINT_SECRET/)
    assert.throws(
      () => createAudit({}, { secret: 'planted' }),
      (error: Error) => /shorter/.test(error.message) && !error.message.includes('planted'),
    )
  })

  it('counts requests by outcome and reason', async () => {
    const audit = createAudit()
    await audit.log(recorded('key-granted'))
    await audit.log(recorded('key-invalid'))
    const text = await audit.metrics()
    assert.match(text, /sluice_audit_requests_total\{outcome="denied",reason="invalid"\} 1/)
    assert.match(text, /sluice_audit_requests_total\{outcome="granted",reason="none"\} 1/)
  })

  describe('detection', () => {
    const failure = (ip: string, key: string) => {
      const log = recorded('key-invalid')
      log.client_ip = ip
      log.request.headers.apikey = key
      return log
    }
    const config = { brute_force: { failures: 3, addresses: 3, window_seconds: 10 } }

    it('reports an address with too many failures, once a window', async () => {
      const audit = createAudit(config)
      for (let i = 0; i < 6; i++) await audit.log(failure('192.0.2.1', `guess-${i}`))
      const reports = audit.events.of('key-auth.brute-force.v1')
      assert.equal(reports.length, 1)
      assert.deepEqual(reports[0]!.data, {
        pattern: 'address',
        client_ip: '192.0.2.1',
        key_fingerprint: null,
        failures: 4,
        addresses: 1,
        window_seconds: 10,
      })
      audit.clock.advance(10_000)
      for (let i = 0; i < 4; i++) await audit.log(failure('192.0.2.1', `guess-${i}`))
      assert.equal(audit.events.of('key-auth.brute-force.v1').length, 2)
    })

    it('reports an unknown key that comes from many addresses', async () => {
      const audit = createAudit(config)
      for (let i = 1; i <= 5; i++) await audit.log(failure(`192.0.2.${i}`, 'leaked'))
      const reports = audit.events.of('key-auth.brute-force.v1')
      assert.deepEqual(
        reports.map(report => [report.data.pattern, report.data.addresses]),
        [['fingerprint', 3]],
      )
    })

    it('takes a key that belongs to a credential for none that is tried, and a refused use for no new place', async () => {
      const audit = createAudit({ brute_force: { addresses: 2 } })
      const granted = recorded('key-granted')
      await audit.log({ ...granted, client_ip: '192.0.2.1' })
      for (const client_ip of ['198.51.100.1', '203.0.113.1'])
        await audit.log({ ...granted, client_ip, tries: [], response: { ...granted.response, status: 401 } })
      assert.deepEqual(
        audit.events.drafts.map(({ type }) => type),
        ['key-auth.granted.v1', 'key-auth.denied.v1', 'key-auth.denied.v1'],
      )
    })

    it('remembers a bounded number of addresses and networks', () => {
      const detection = new Detection()
      const limits = { failures: 1e9, addresses: 1500, windowMs: 60_000 }
      const address = (i: number) => `10.${i >> 8}.${i & 255}.1`
      for (let i = 0; i < 2000; i++) assert.deepEqual(detection.failed(address(i), 'key', limits, 0), [])
      const seen = Array.from({ length: 2000 }, (_, i) => detection.used('credential', address(i)))
      assert.equal(seen.filter(Boolean).length, 999)
    })

    it('takes no notice of failures that are not about a credential', async () => {
      const audit = createAudit(config)
      for (let i = 0; i < 9; i++) await audit.log(recorded('acl-forbidden'))
      for (let i = 0; i < 9; i++) await audit.log(recorded('limited'))
      assert.equal(audit.events.of('key-auth.brute-force.v1').length, 0)
    })

    it('reports a credential that comes from a new network, and learns the first one in silence', async () => {
      const audit = createAudit()
      for (const ip of ['192.0.2.1', '192.0.2.200', '198.51.100.7', '198.51.100.8']) {
        const log = recorded('key-granted')
        log.client_ip = ip
        await audit.log(log)
      }
      const reports = audit.events.of('key-auth.first-seen.v1')
      assert.deepEqual(
        reports.map(report => [report.data.network, report.data.known_networks]),
        [['198.51.100.0', 1]],
      )
      assert.equal(reports[0]!.data.credential_id, recorded('key-granted').authenticated_entity.id)
    })
  })
})
