/** `kong.router` */
import { list, number, object, text } from './decode.ts'
import type { Route, Service } from './entities.ts'
import { FROM_ACCESS } from './phases.ts'
import { call } from './row.ts'

export const router = {
  /** The route that the request took. */
  getRoute: call<() => Promise<Route | undefined>>()({
    phases: FROM_ACCESS,
    wire: ['Empty', 'Route'],
    step: 'StepRoute',
    decode: route,
    toKongJs: ({ serviceId, ...same }: Route) => ({ ...same, service: { id: serviceId } }),
  }),
  /** Its service. */
  getService: call<() => Promise<Service | undefined>>()({
    phases: FROM_ACCESS,
    wire: ['Empty', 'Service'],
    step: 'StepService',
    decode: service,
    toKongJs: ({ connectTimeoutMs, writeTimeoutMs, readTimeoutMs, ...same }: Service) => ({
      ...same,
      connect_timeout: connectTimeoutMs,
      write_timeout: writeTimeoutMs,
      read_timeout: readTimeoutMs,
    }),
  }),
}

function service(value: unknown): Service | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const name = text(fields.name)
  const path = text(fields.path)
  const retries = number(fields.retries)
  const connectTimeoutMs = number(fields.connectTimeout ?? fields.connect_timeout)
  const writeTimeoutMs = number(fields.writeTimeout ?? fields.write_timeout)
  const readTimeoutMs = number(fields.readTimeout ?? fields.read_timeout)
  return {
    id,
    ...(name !== undefined && { name }),
    host: text(fields.host) ?? '',
    port: number(fields.port) ?? 0,
    protocol: text(fields.protocol) ?? '',
    ...(path !== undefined && { path }),
    ...(retries !== undefined && { retries }),
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    ...(writeTimeoutMs !== undefined && { writeTimeoutMs }),
    ...(readTimeoutMs !== undefined && { readTimeoutMs }),
    tags: list(fields.tags),
  }
}

function route(value: unknown): Route | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const name = text(fields.name)
  const serviceId = text(object(fields.service)?.id)
  return {
    id,
    ...(name !== undefined && { name }),
    protocols: list(fields.protocols),
    methods: list(fields.methods),
    hosts: list(fields.hosts),
    paths: list(fields.paths),
    ...(serviceId !== undefined && { serviceId }),
    tags: list(fields.tags),
  }
}
