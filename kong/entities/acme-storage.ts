import { defineEntity } from './entity.ts'

/** What the plugin `acme` stores: account keys, certificates, and when to renew them. */
export type AcmeStorage = {
  readonly id: string
  readonly created_at: number
  readonly key: string
  readonly value: string
  /** Seconds that are left to live; null: for ever. */
  readonly ttl: number | null
}

export const acmeStorage = defineEntity({
  name: 'acme_storage',
  noun: 'ACME record',
  cacheKey: ['key'],
  identity: [['key']],
  secrets: ['value'],
  writeOnly: ['ttl'],
  rules: { '': { ttl: true } },
})
