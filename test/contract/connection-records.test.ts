import assert from 'node:assert/strict'
import { phasesOf } from '../../protocol/pdk/table.ts'
import { type ConnectionRecord, connectionRecords } from './pdk-records.ts'

/** Kong asks no client of these listeners for a certificate, so that nobody knows what it would answer. */
const UNKNOWN = 'kong.client.tls.get_full_client_certificate_chain'

const named = (records: readonly ConnectionRecord[]) =>
  records.map(({ phase, listener, method }) => `${method} in ${phase} of ${listener}`)

describe('the phases of a connection', () => {
  it('allow no call that Kong refused there', () => {
    const wrong = connectionRecords.filter(
      ({ phase, method, refused }) => refused !== undefined && phasesOf(method).includes(phase),
    )
    assert.deepEqual(named(wrong), [])
  })

  it('allow each call that Kong answered there', () => {
    const wrong = connectionRecords.filter(
      ({ phase, method, answer }) =>
        answer !== undefined && method !== UNKNOWN && !phasesOf(method).includes(phase),
    )
    // It answers 0, or nothing, since no request has begun.
    assert.deepEqual([...new Set(wrong.map(({ method }) => method))], ['kong.nginx.req_start_time'])
  })
})
