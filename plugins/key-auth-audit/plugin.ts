import { hash } from 'node:crypto'
import type { Serialized } from '../../sdk/log-data/serialized.ts'
import {
  type BoundCounter,
  createLogEventCounter,
  definePlugin,
  type EventDraft,
  type Host,
  SluiceError,
  Type,
} from '../../sdk/sdk.ts'
import { AuditConfig } from './config.ts'
import { Detection, type DetectionLimits } from './detect.ts'
import { AUDIT_EVENTS } from './events.ts'
import { createFingerprinter, type Fingerprinter, MIN_SECRET_LENGTH } from './fingerprint.ts'
import { type AuditRecord, auditRecord } from './record.ts'

/** What the process remembers; outlives the instances. */
interface Memory {
  readonly host: Host
  readonly detection: Detection
  readonly countLogEvent: ReturnType<typeof createLogEventCounter>
  readonly count: (outcome: string, reason: string) => BoundCounter
}

interface Instance {
  readonly fingerprinter: Fingerprinter
  readonly limits: DetectionLimits
}

/**
 * Records who used which credential, when, on what and with what outcome, for every request that was authenticated
 * or refused. It runs in the log phase, asks Kong one question, and never changes a request.
 */
export const plugin = definePlugin({
  name: 'key-auth-audit',
  version: '0.1.0',
  priority: 1,
  config: AuditConfig,
  settings: Type.Object({
    fingerprintSecret: Type.Optional(
      Type.String({
        env: 'SLUICE_FINGERPRINT_SECRET',
        secret: true,
        description: 'HMAC key for credentials',
      }),
    ),
  }),
  onError: 'open',
  needs: { log: ['log.serialize'] },
  // What is under way when a process is killed, Kong repeats elsewhere: only until it has been answered.
  endsLogFirst: config => config.acknowledge === 'received',
  events: AUDIT_EVENTS,

  memory(host: Host): Memory {
    const counter = host.metrics.counter('sluice_audit_requests_total', 'requests that were audited', [
      'outcome',
      'reason',
    ])
    return {
      host,
      detection: new Detection(),
      countLogEvent: createLogEventCounter(host.metrics, 'key-auth-audit'),
      count: (outcome, reason) => counter.with({ outcome, reason }),
    }
  },

  instance(config, { host }): Instance {
    const secret = host.settings.fingerprintSecret
    if (secret === undefined)
      throw new SluiceError(
        'SLUICE_PLUGIN_CONFIG',
        'key-auth-audit needs SLUICE_FINGERPRINT_SECRET, which is not set',
      )
    if (secret.length < MIN_SECRET_LENGTH)
      throw new SluiceError(
        'SLUICE_PLUGIN_CONFIG',
        `SLUICE_FINGERPRINT_SECRET is shorter than ${MIN_SECRET_LENGTH} characters; \`openssl rand -base64 32\` makes one`,
      )
    return {
      fingerprinter: createFingerprinter(secret),
      limits: {
        failures: config.brute_force.failures,
        addresses: config.brute_force.addresses,
        windowMs: config.brute_force.window_seconds * 1000,
      },
    }
  },

  phases: {
    async log(kong, { config, scope, memory, instance }) {
      const log: Serialized = await kong.log.serialize()
      memory.countLogEvent(log)
      const { fingerprinter, limits } = instance
      const record = auditRecord(log, { config, fingerprinter, pluginId: scope.pluginId })
      if (!record) return
      const { outcome, reason } = record.classification
      memory.count(record.isInternal ? 'internal' : outcome, reason ?? 'none').add()
      const drafts = detected(record, config, limits, memory)
      if (outcome === 'denied' || isSampled(record, config.sample)) drafts.push(record.draft)
      await Promise.all(drafts.map(draft => memory.host.events.publish(draft)))
    },
  },
})

/** What the record completes: a try too many, a credential at a new place. */
function detected(
  record: AuditRecord,
  config: AuditConfig,
  limits: DetectionLimits,
  memory: Memory,
): EventDraft[] {
  const drafts = isAttempt(record) ? bruteForce(record, limits, memory) : []
  const seen = config.first_seen ? firstSeen(record, memory) : undefined
  return seen ? [...drafts, seen] : drafts
}

function bruteForce(
  { address, fingerprint, credentialId, draft }: AuditRecord,
  limits: DetectionLimits,
  { host, detection }: Memory,
): EventDraft[] {
  const clientIp = draft.data.client_ip ?? null
  // A fingerprint that belongs to a credential is known; only unknown ones are tried from many places.
  const unknown = credentialId === undefined ? fingerprint : undefined
  return detection.failed(address, unknown, limits, host.clock.monotonic()).map(found => ({
    type: 'key-auth.brute-force.v1',
    subject: found.pattern === 'address' ? `address/${clientIp}` : `key/${fingerprint}`,
    ...timeOf(draft),
    data: {
      pattern: found.pattern,
      client_ip: found.pattern === 'address' ? clientIp : null,
      key_fingerprint: found.pattern === 'fingerprint' ? (fingerprint ?? null) : null,
      failures: found.failures,
      addresses: found.addresses,
      window_seconds: limits.windowMs / 1000,
    },
  }))
}

function firstSeen(
  { address, credentialId, classification, consumerId, consumerUsername, draft }: AuditRecord,
  { detection }: Memory,
): EventDraft | undefined {
  if (credentialId === undefined || classification.outcome !== 'granted') return undefined
  const seen = detection.used(credentialId, address)
  return (
    seen && {
      type: 'key-auth.first-seen.v1',
      subject: `credential/${credentialId}`,
      ...timeOf(draft),
      data: {
        credential_id: credentialId,
        consumer_id: consumerId ?? null,
        consumer_username: consumerUsername ?? null,
        network: seen.network,
        known_networks: seen.knownNetworks,
      },
    }
  )
}

const timeOf = ({ timeMs }: EventDraft): Pick<EventDraft, 'timeMs'> =>
  timeMs === undefined ? {} : { timeMs }

/** Whether someone tried a credential in vain. A request refused for another reason is no attempt on a key. */
function isAttempt({ classification: { outcome, reason } }: AuditRecord): boolean {
  return (
    outcome !== 'granted' &&
    ['missing', 'invalid', 'duplicate', 'missing_or_invalid'].includes(String(reason))
  )
}

/** The same decision each time that Kong delivers the same log event. */
function isSampled(record: AuditRecord, share: number): boolean {
  if (share >= 1) return true
  const digest = hash('sha256', record.draft.identity ?? String(record.draft.timeMs), 'hex')
  return Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32 < share
}
