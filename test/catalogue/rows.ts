import { type Offer, readOffer } from '../../management/catalogue/offer.ts'

type Row = Readonly<Record<string, unknown>>

/** Rows of Kong with what the catalogue reads of them, ids made of names. */
export const service = (name: string, more: Row = {}): Row => ({ id: name, name, enabled: true, ...more })
export const route = (name: string, serviceName: string, more: Row = {}): Row => ({
  id: name,
  name,
  service: { id: serviceName },
  protocols: ['http', 'https'],
  strip_path: true,
  ...more,
})
export const plugin = (name: string, more: Row = {}): Row => ({
  id: name,
  name,
  enabled: true,
  config: {},
  ...more,
})

export const offerOf = (services: Row[], routes: Row[], plugins: Row[] = []): Offer =>
  readOffer({ services, routes, plugins })

export const serviceOf = (offer: Offer, name: string) => offer.services.find(one => one.name === name)!
