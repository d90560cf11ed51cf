import { hint } from '../../foundation/closest-name.ts'
import type { AdminRefused } from '../../kong/admin/answer.ts'
import { flattenViolations, type Mistake } from '../../kong/reconcile/expected.ts'
import { isObject, type Violation } from '../../kong/schema/spec.ts'
import { type Fault, Problem, type ProblemCode } from '../http/problem.ts'

/** What kind of fault it is decides the status of the answer. */
export type FaultKind = 'content' | 'forbidden' | 'missing' | 'precondition' | 'conflict'

export interface KindedFault extends Fault {
  readonly kind: FaultKind
}

const CODE_OF: Readonly<Record<FaultKind, ProblemCode>> = {
  content: 'SLUICE_MANAGER_INVALID',
  forbidden: 'SLUICE_MANAGER_FORBIDDEN',
  missing: 'SLUICE_MANAGER_NOT_FOUND',
  precondition: 'SLUICE_MANAGER_PRECONDITION',
  conflict: 'SLUICE_MANAGER_CONFLICT',
}

/** All faults as one problem; the first kind that occurs gives the status. */
export function problemOf(faults: readonly KindedFault[]): Problem {
  const kinds: readonly FaultKind[] = ['content', 'forbidden', 'missing', 'precondition', 'conflict']
  const kind = kinds.find(one => faults.some(fault => fault.kind === one)) ?? 'content'
  const [first] = faults
  const detail = faults.length === 1 && first ? first.detail : `${faults.length} faults`
  return new Problem(CODE_OF[kind], detail, { faults: faults.map(({ kind: _kind, ...fault }) => fault) })
}

/** A path as a JSON pointer (RFC 6901) behind another one. */
export const pointerTo = (base: string, path: readonly (string | number)[]): string =>
  base + path.map(part => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** A complaint of a schema as a fault. @param known the names of fields, for a hint. */
export function faultOf({ path, text }: Mistake, base: string, known: readonly string[]): KindedFault {
  const name = path.join('.')
  const last = String(path.at(-1) ?? '')
  const question = text === 'unknown field' && path.length === 1 ? hint(last, known) : ''
  const detail = `${name === '' ? '' : `${name}: `}${text}${question}`
  return { kind: 'content', pointer: pointerTo(base, path), code: codeOf(text), detail }
}

function codeOf(text: string): string {
  if (text === 'required field missing') return 'required'
  if (text === 'unknown field') return 'unknown_field'
  if (/^expected /.test(text)) return 'type'
  return 'invalid'
}

/** What Kong has against a request, as faults: its own checks go beyond its schemas. */
export function faultsOfRefusal(
  { status, refusal, message }: AdminRefused,
  base: string,
): readonly KindedFault[] {
  const fields = isObject(refusal.fields) ? (refusal.fields as Record<string, Violation>) : {}
  const text = refusal.message ?? message
  switch (refusal.code) {
    case 5: // a unique value is taken
    case 3: // an id is taken
      return Object.keys(fields).map(name => ({
        kind: 'conflict',
        pointer: pointerTo(base, [name]),
        code: 'taken',
        detail: `${name}: another entity has this value already`,
      }))
    case 4: // a reference leads nowhere, or something still refers to it
      return [
        { kind: 'conflict', pointer: pointerTo(base, referenceIn(fields)), code: 'reference', detail: text },
      ]
    default: {
      const mistakes = flattenViolations(fields)
      const faults = mistakes.map(({ path, text: detail }) =>
        faultOf({ path: path.filter(part => part !== '@entity'), text: detail }, base, []),
      )
      if (faults.length > 0) return faults
      return [{ kind: status === 409 ? 'conflict' : 'content', pointer: base, code: 'refused', detail: text }]
    }
  }
}

const referenceIn = (fields: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.keys(fields)
    .filter(name => !name.startsWith('@'))
    .slice(0, 1)
