import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { type RequestListener, request } from 'node:http'
import path from 'node:path'
import jsonwebtoken from 'jsonwebtoken'
import { readSettings } from '../../foundation/settings.ts'
import { type RunningCatalogue, startCatalogue } from '../../management/catalogue/start.ts'
import { projectFolder } from '../../ops/local/folders.ts'
import { plugin as aggregate } from '../../plugins/aggregate/plugin.ts'
import { plugin as requestLog } from '../../plugins/request-log/plugin.ts'
import { plugin as responseCache } from '../../plugins/response-cache/plugin.ts'
import { plugin as upstreamToken } from '../../plugins/upstream-token/plugin.ts'
import { rotate } from '../../plugins/upstream-token/rotation.ts'
import { type EdgeGateway, startEdgeGateway } from './edge-gateway.ts'
import { makeFolder } from './folder.ts'
import type { RunningGateway } from './gateway.ts'
import { freePort } from './ports.ts'
import { runSluice } from './run-sluice.ts'
import { type SamplePlatform, samplePlatform } from './sample-platform.ts'
import { startUpstream } from './upstream.ts'

/** The sample shop behind the local gateway, as a browser meets it. */
export interface Shop {
  readonly platform: SamplePlatform
  readonly gateway: RunningGateway
  /** Serves the page, the list of APIs and their documents. */
  readonly catalogue: RunningCatalogue
  /** Of the page. */
  readonly url: string
  close(): Promise<void>
}

/** As kong/desired/platform.yaml declares it, with the targets that discovery would find. */
export async function openShop(): Promise<Shop> {
  const platform = await samplePlatform()
  const [users, products] = await Promise.all([
    startUpstream(stampingHop(platform, 'users')),
    startUpstream(stampingHop(platform, 'products')),
  ])
  const keys = makeFolder()
  const gateway = await startSigningGateway(keys.path)
  const catalogue = await startCatalogue(
    readSettings({
      SLUICE_ADMIN_URL: gateway.adminUrl,
      SLUICE_PROXY_URL: gateway.proxyUrl,
      SLUICE_CATALOGUE_LISTEN: '127.0.0.1:0',
      SLUICE_CATALOGUE_APP_DIR: path.join(projectFolder(), 'flask-sample', 'frontend'),
      SLUICE_LOG_LEVEL: 'silent',
    }),
  )
  const applied = await runSluice(
    ['apply', '-f', 'kong/desired/platform.yaml', '--admin-url', gateway.adminUrl],
    { CATALOGUE_PORT: new URL(catalogue.url).port },
  )
  if (applied.code !== 0) throw new Error(applied.stderr)
  for (const [name, { port }] of Object.entries({ users, products }))
    await gateway.admin('POST', `/upstreams/${name}.upstream/targets`, { target: `127.0.0.1:${port}` })
  await trustAccessTokens(platform, gateway)
  await catalogue.look()
  return {
    platform,
    catalogue,
    gateway,
    url: `${gateway.proxyUrl}/app/`,
    async close() {
      await gateway.close()
      keys.remove()
      await Promise.all([users.close(), products.close(), catalogue.close()])
    },
  }
}

/** Its tokens are replaced on the way, since the services of the platform trust the keys of the tests. */
async function startSigningGateway(keys: string): Promise<EdgeGateway> {
  const proxyPort = await freePort()
  rotate(keys, { now: Math.floor(Date.now() / 1_000), inSeconds: 0, revoke: false })
  return startEdgeGateway({
    plugins: [upstreamToken, responseCache, aggregate, requestLog],
    env: {
      SLUICE_TOKEN_KEYS_DIR: keys,
      SLUICE_PROXY_URL: `http://127.0.0.1:${proxyPort}`,
      SLUICE_LOOPBACK_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
    },
    proxyPort,
  })
}

/** The users service's keys become credentials of its consumer, as `sluice token sync` makes them. */
async function trustAccessTokens(platform: SamplePlatform, gateway: RunningGateway): Promise<void> {
  const answer = await fetch(`${platform.users.url}/.well-known/jwks.json`)
  const { keys } = (await answer.json()) as { keys: (JsonWebKey & { kid: string })[] }
  for (const key of keys)
    await gateway.admin('POST', '/consumers/users-service/jwt', {
      key: key.kid,
      algorithm: 'ES256',
      rsa_public_key: createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
    })
}

/** Adds the gateway's token, with the user whose access token the gateway has verified; an away service refuses. */
function stampingHop(platform: SamplePlatform, service: 'users' | 'products'): RequestListener {
  return (incoming, response) => {
    const claims = jsonwebtoken.decode((incoming.headers.authorization ?? '').replace(/^Bearer /, ''))
    const user = typeof claims === 'object' ? claims?.sub : undefined
    const token = platform.keys.token({ aud: service, ...(user && { sub: 'users-service', act_sub: user }) })
    const headers = { ...incoming.headers, 'sluice-token': token }
    const { method } = incoming
    const onward = request(platform[service].url + incoming.url, { method, headers }, answer => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  }
}
