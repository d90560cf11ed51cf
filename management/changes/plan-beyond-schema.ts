/** What Kong checks of an entity beside its schema, with the help of others. */
import { readCertificate } from '../../kong/entities/pem.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import { isObject } from '../../kong/schema/spec.ts'
import { pointerTo } from './fault.ts'
import type { PlanState } from './plan-state.ts'

export interface Written {
  readonly kind: KindName
  readonly id: string
  readonly given: Row
  /** What is given, over what is there. */
  readonly data: Row
  readonly pointer: string
}

/** Fields that may be null by their schema, and not in Kong's tables. */
export const NOT_NULL: Readonly<Partial<Record<KindName, readonly string[]>>> = {
  upstreams: ['slots'],
  targets: ['weight'],
}

/** Seconds since the epoch of the end of 294276, where PostgreSQL's timestamps end. */
export const LATEST_TIME = 9_224_318_015_999

export async function checkBeyondSchema(state: PlanState, written: Written): Promise<void> {
  const { created_at: createdAt } = written.given
  if (typeof createdAt === 'number' && createdAt > LATEST_TIME) {
    const text = `created_at: must be at most ${LATEST_TIME}`
    state.fault('content', pointerTo(written.pointer, ['created_at']), 'invalid', text)
  }
  for (const name of NOT_NULL[written.kind] ?? [])
    if (written.data[name] === null)
      state.fault('content', pointerTo(written.pointer, [name]), 'required', `${name}: must not be null`)
  if (written.kind === 'plugins') await checkProtocols(state, written)
  if (written.kind === 'certificates') await checkServerNames(state, written)
  if (written.kind === 'ca_certificates') await checkAuthority(state, written)
}

/** A plugin must share a protocol with the route it stands on, or with one of the routes of its service. */
async function checkProtocols(state: PlanState, { given, data, pointer }: Written): Promise<void> {
  const { protocols } = data
  // What was so before is no fault of this change.
  if (!Array.isArray(protocols) || !['protocols', 'route', 'service'].some(name => name in given)) return
  const shares = (route: Row) => (route.protocols as readonly string[]).some(one => protocols.includes(one))
  const place = pointerTo(pointer, ['protocols'])
  const [routeId, serviceId] = [idIn(data.route), idIn(data.service)]
  if (routeId !== undefined) {
    const route = await state.find('routes', routeId)
    if (route && !shares(route.fields))
      state.fault('content', place, 'protocols', "protocols: must match the associated route's protocols")
  } else if (serviceId !== undefined) {
    const routes = await state.referring('routes', 'service', serviceId)
    if (routes.length > 0 && !routes.some(shares))
      state.fault(
        'content',
        place,
        'protocols',
        "protocols: must match the protocols of at least one route pointing to this plugin's service",
      )
  }
}

/** Each server name belongs to one certificate. */
async function checkServerNames(state: PlanState, { id, data, pointer }: Written): Promise<void> {
  const names = Array.isArray(data.snis) ? data.snis.filter(name => typeof name === 'string') : []
  for (const [i, name] of names.entries()) {
    const place = pointerTo(pointer, ['snis'])
    if (names.indexOf(name) < i) state.fault('content', place, 'invalid', `snis: ${name} is duplicated`)
    const other = await state.find('snis', name)
    if (other && idIn(other.fields.certificate) !== id)
      state.fault('conflict', place, 'taken', `snis: ${name} belongs to another certificate already`)
  }
}

/** Kong knows a CA certificate by the digest of its DER form. */
async function checkAuthority(state: PlanState, { id, data, pointer }: Written): Promise<void> {
  const read = typeof data.cert === 'string' ? readCertificate(data.cert) : undefined
  const digest = read?.fingerprint256.replaceAll(':', '').toLowerCase()
  const other = digest && (await state.parts.source.findBy('ca_certificates', { cert_digest: digest }))
  if (isObject(other) && other.id !== id && state.after('ca_certificates', other.id) === undefined)
    state.fault(
      'conflict',
      pointerTo(pointer, ['cert']),
      'taken',
      'cert: this CA certificate is there already',
    )
}
