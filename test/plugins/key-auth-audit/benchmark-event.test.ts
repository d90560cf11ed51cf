import assert from 'node:assert/strict'
import { auditDraft } from '../../../bench/audit-event.ts'
import { EventRegistry } from '../../../events/types/registry.ts'
import { AUDIT_EVENTS } from '../../../plugins/key-auth-audit/events.ts'

describe('the audit event of the benchmarks', () => {
  // An event that does not match costs five times as much: the benchmarks would measure the complaint.
  it('is one as its type declares it', () => {
    assert.equal(new EventRegistry(AUDIT_EVENTS).check(auditDraft(1, 0)), undefined)
  })
})
