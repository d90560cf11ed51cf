import { setTimeout as sleep } from 'node:timers/promises'
import { programOf } from './installation.ts'
import type { Recipe } from './recipe.ts'

const urlOf = (port: number) => `http://127.0.0.1:${port}`

/** An agent that keeps everything in memory: what is registered comes back by itself, since services repeat it. */
export const consul: Recipe = {
  source: {
    programs: ['consul'],
    folders: ['usr/bin', 'usr/local/bin'],
    packages: ['consul'],
    // Debian 12 has no Consul; this one is 1.8.7.
    suite: 'bullseye',
  },
  container: {
    // The last line under the Mozilla Public License.
    image: 'hashicorp/consul:1.16',
    port: 8500,
    env: () => ({}),
    command: () => ['agent', '-dev', '-client=0.0.0.0'],
    url: urlOf,
  },
  morePorts: 2,

  async prepare(installation, { port, morePorts: [server, serf] }) {
    return {
      command: programOf(installation, 'consul'),
      args: [
        ...['agent', '-dev', '-bind=127.0.0.1', '-client=127.0.0.1', '-node=sluice', '-log-level=warn'],
        ...[`-http-port=${port}`, `-server-port=${server}`, `-serf-lan-port=${serf}`],
        ...['-serf-wan-port=-1', '-dns-port=-1', '-grpc-port=-1', '-hcl=disable_update_check=true'],
      ],
      env: installation.env,
      endSignal: 'KILL',
      url: urlOf(port),
    }
  },

  async probe(url) {
    const answer = await fetch(`${url}/v1/catalog/services`, { signal: AbortSignal.timeout(2_000) })
    if (!answer.ok) throw new Error(`Consul answers ${answer.status}`)
    // It answers before it knows itself; what is registered until then is lost.
    const nodes = (await (await fetch(`${url}/v1/catalog/nodes`)).json()) as unknown[]
    if (nodes.length === 0) {
      await sleep(20)
      throw new Error('Consul has no node yet')
    }
  },
}
