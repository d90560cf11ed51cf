import { createHash } from 'node:crypto'
import type { Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import { createMask, type Mask } from '../../kong/reconcile/mask.ts'
import { canonical, normaliseCurrent } from '../../kong/reconcile/normalise.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import type { Sealer } from '../sealer.ts'

/** An entity of Kong, as the mirror keeps it. */
export interface Mirrored {
  readonly kind: KindName
  readonly id: string
  /** As Kong reports it, secrets masked. */
  readonly shown: Row
  /** As Kong reports it; null where nothing is masked. */
  readonly sealed: Buffer | null
  readonly etag: string
  /** Of all compared fields, secrets included. */
  readonly digest: string
  readonly expiresAt: Date | null
}

/** Turns rows of Kong into what the mirror keeps. */
export class Mirroring {
  readonly mask: Mask
  readonly #schemas: Schemas
  readonly #sealer: Sealer

  constructor(schemas: Schemas, sealer: Sealer) {
    this.#schemas = schemas
    this.#sealer = sealer
    this.mask = createMask(schemas, [], () => [])
  }

  /** @param nowSeconds Kong's clock, from which the seconds that it reports to be left count. */
  current(kind: KindName, row: Row, nowSeconds: number): Current {
    return {
      kind,
      id: String(row.id),
      row,
      fields: normaliseCurrent(kind, row, this.#schemas),
      tags: (row.tags as readonly string[] | null | undefined) ?? [],
      ...(typeof row.ttl === 'number' && { expiresAt: nowSeconds + row.ttl }),
    }
  }

  mirrored({ kind, id, row, fields, expiresAt }: Current): Mirrored {
    const shown = this.mask.row(kind, row)
    const hasSecret = JSON.stringify(shown) !== JSON.stringify(row)
    return {
      kind,
      id,
      shown,
      sealed: hasSecret ? this.#sealer.seal(row, contextOf(kind, id)) : null,
      etag: this.#etag(kind, fields),
      digest: this.digestOf({ fields }),
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt * 1000),
    }
  }

  etagOf({ kind, fields }: Current): string {
    return this.#etag(kind, fields)
  }

  digestOf({ fields }: Pick<Current, 'fields'>): string {
    return this.#sealer.digest(canonical(fields))
  }

  /** Of the fields that are compared: neither secrets nor times are part of it. */
  #etag(kind: KindName, fields: Row): string {
    const text = canonical(this.mask.row(kind, fields))
    return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
  }
}

export const contextOf = (kind: string, id: string): string => `entity ${kind}/${id}`

/** Whether the name of such an entity is a secret, so that it must not stand in a path. */
export const isNamedBySecret = (kind: KindName): boolean => {
  const { endpointKey, secrets } = KINDS[kind]
  return endpointKey !== undefined && secrets.includes(endpointKey)
}
