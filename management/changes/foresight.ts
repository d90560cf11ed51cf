/** Planning asks for one thing after the other. What operations name is asked for before, several at a time. */
import { isUuid } from '../../foundation/uuid.ts'
import { mapAtOnce } from '../../kong/admin/at-once.ts'
import type { Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName, referencesTo } from '../../kong/reconcile/kinds.ts'
import type { Operation } from './operation.ts'
import { keyOfReference } from './plan-references.ts'
import type { Source } from './source.ts'

/** Asks each question once. */
export class AskedOnce implements Source {
  readonly #source: Source
  readonly #answers = new Map<string, Promise<unknown>>()

  constructor(source: Source) {
    this.#source = source
  }

  find(kind: KindName, key: string): Promise<Row | undefined> {
    return this.#once(['find', kind, key], () => this.#source.find(kind, key))
  }

  referring(kind: KindName, field: string, id: string): Promise<readonly Row[]> {
    return this.#once(['referring', kind, field, id], () => this.#source.referring(kind, field, id))
  }

  async referringAny(kind: KindName, field: string, ids: readonly string[]) {
    const found = await this.#source.referringAny(kind, field, ids)
    for (const [id, rows] of found) await this.#once(['referring', kind, field, id], async () => rows)
    return found
  }

  findBy(kind: KindName, fields: Row): Promise<Row | undefined> {
    return this.#once(['findBy', kind, fields], () => this.#source.findBy(kind, fields))
  }

  trusting(id: string): Promise<readonly Row[]> {
    return this.#once(['trusting', id], () => this.#source.trusting(id))
  }

  #once<T>(question: readonly unknown[], ask: () => Promise<T>): Promise<T> {
    const key = JSON.stringify(question)
    const answer = (this.#answers.get(key) as Promise<T> | undefined) ?? ask()
    this.#answers.set(key, answer)
    return answer
  }
}

/** Asks for what planning these operations will ask for. Never rejects: whoever asks again hears why it failed. */
export async function foresee(operations: readonly Operation[], source: AskedOnce): Promise<void> {
  if (operations.length < 2) return
  try {
    await mapAtOnce(operations, operation => foreseeOne(operation, source))
    for (const [kind, ids] of await deletedBy(operations, source))
      for (const { kind: child, field } of referencesTo(kind)) await source.referringAny(child, field, ids)
  } catch {
    // As it says above.
  }
}

/** The ids of what is deleted, by kind. */
async function deletedBy(
  operations: readonly Operation[],
  source: AskedOnce,
): Promise<ReadonlyMap<KindName, readonly string[]>> {
  const ids = new Map<KindName, string[]>()
  for (const { action, kind, key } of operations) {
    const row = action === 'delete' && key !== undefined ? await source.find(kind, key) : undefined
    if (!row) continue
    const known = ids.get(kind)
    if (known) known.push(String(row.id))
    else ids.set(kind, [String(row.id)])
  }
  return ids
}

async function foreseeOne({ action, kind, key, body }: Operation, source: AskedOnce): Promise<void> {
  const { references, endpointKey, secrets } = KINDS[kind]
  const present = key === undefined ? undefined : await source.find(kind, key)
  if (action === 'delete') return
  if (isUuid(body.id) && body.id !== key) await source.find(kind, body.id)
  for (const { field, to } of references) {
    const wanted = keyOfReference(to as KindName, body[field])
    if (wanted !== undefined) await source.find(to as KindName, wanted)
  }
  const name = endpointKey === undefined || secrets.includes(endpointKey) ? undefined : body[endpointKey]
  if (!present && endpointKey !== undefined && typeof name === 'string')
    await source.findBy(kind, { [endpointKey]: name })
}
