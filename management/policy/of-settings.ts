import { networkInterfaces } from 'node:os'
import type { Clock } from '../../foundation/clock.ts'
import type { Address, Settings } from '../../foundation/settings.ts'
import type { Timers } from '../../foundation/timers.ts'
import { AddressPolicy, type Guarded, kongInterfaces } from './addresses.ts'
import { LookUps } from './look-ups.ts'
import { Policy } from './policy.ts'

/** @throws SluiceError SLUICE_CONFIG_INVALID */
export function policyOf(settings: Settings, timers: Timers, clock: Clock): Policy {
  const { managerAllowUpstreams: allowed, managerEditorVaults: vaults = '' } = settings
  const lookUps = new LookUps(timers, clock)
  const addresses = new AddressPolicy({
    guarded: guardedBy(settings),
    allowed,
    lookUp: host => lookUps.addressesOf(host),
  })
  return new Policy({
    addresses,
    editorVaults: vaults
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== ''),
  })
}

/** Kong's own interfaces, the manager and the stores. */
function guardedBy({ adminUrl, managerListen, ...settings }: Settings): readonly Guarded[] {
  const stores = [
    ['PostgreSQL', settings.postgresUrl, 5432],
    ["the manager's PostgreSQL", settings.managerPostgresUrl, 5432],
    ['RabbitMQ', settings.amqpUrl, 5672],
    ...(settings.redisUrl ?? []).map(url => ['Redis', url, 6379] as const),
  ] as const
  return [
    kongInterfaces(new URL(adminUrl)),
    ...(managerListen ? listening('the manager', managerListen) : []),
    ...stores.flatMap(([what, url, port]) => (url === undefined ? [] : [storeAt(what, url, port)])),
  ]
}

function storeAt(what: string, url: string, defaultPort: number): Guarded {
  const { hostname, port } = new URL(url)
  return { what, host: hostname, ports: [Number(port) || defaultPort] }
}

/** What listens on all addresses is found at each of this host. */
function listening(what: string, { host, port }: Address): readonly Guarded[] {
  const own = [host, ...(/^(0\.0\.0\.0|::)$/.test(host) ? addressesOfHost() : [])]
  return own.map(one => ({ what, host: one, ports: [port] }))
}

const addressesOfHost = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(({ address }) => address))
