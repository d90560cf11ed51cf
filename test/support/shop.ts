import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type RequestListener, request } from 'node:http'
import path from 'node:path'
import jsonwebtoken from 'jsonwebtoken'
import { projectFolder } from '../../ops/local/folders.ts'
import { type RunningGateway, startTestGateway } from './gateway.ts'
import { type SamplePlatform, samplePlatform } from './sample-platform.ts'
import { startUpstream } from './upstream.ts'

/** The sample shop behind the local gateway, as a browser meets it. */
export interface Shop {
  readonly platform: SamplePlatform
  readonly gateway: RunningGateway
  /** Of the page. */
  readonly url: string
  close(): Promise<void>
}

const TYPES: Readonly<Record<string, string>> = { html: 'text/html', css: 'text/css', js: 'text/javascript' }

export async function openShop(): Promise<Shop> {
  const platform = await samplePlatform()
  const [users, products, frontend] = await Promise.all([
    startUpstream(stampingHop(platform, 'users')),
    startUpstream(stampingHop(platform, 'products')),
    startUpstream(frontendFiles),
  ])
  const gateway = await startTestGateway()
  const route = async (name: string, url: string) => {
    await gateway.admin('POST', '/services', { name, url, retries: 0, read_timeout: 5_000 })
    const paths = [name === 'frontend' ? '/app' : `/${name}`]
    await gateway.admin('POST', `/services/${name}/routes`, { name, paths, strip_path: name === 'frontend' })
  }
  await route('users', users.url)
  await route('products', products.url)
  await route('frontend', frontend.url)
  await trustAccessTokens(platform, gateway)
  return {
    platform,
    gateway,
    url: `${gateway.proxyUrl}/app/`,
    async close() {
      await gateway.close()
      await Promise.all([users.close(), products.close(), frontend.close()])
    },
  }
}

/** Kong's own jwt plugin on products, with the users service's keys. */
async function trustAccessTokens(platform: SamplePlatform, gateway: RunningGateway): Promise<void> {
  const answer = await fetch(`${platform.users.url}/.well-known/jwks.json`)
  const { keys } = (await answer.json()) as { keys: (JsonWebKey & { kid: string })[] }
  await gateway.admin('POST', '/consumers', { username: 'users-service' })
  for (const key of keys)
    await gateway.admin('POST', '/consumers/users-service/jwt', {
      key: key.kid,
      algorithm: 'ES256',
      rsa_public_key: createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
    })
  const config = { key_claim_name: 'kid', claims_to_verify: ['exp'] }
  await gateway.admin('POST', '/services/products/plugins', { name: 'jwt', config })
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

/** The three files, as whoever serves them should. */
const frontendFiles: RequestListener = (incoming, response) => {
  const { pathname } = new URL(incoming.url ?? '/', 'http://frontend')
  const name = pathname === '/' ? 'index.html' : pathname.slice(1)
  if (!['index.html', 'app.css', 'app.js'].includes(name)) return void response.writeHead(404).end()
  response.writeHead(200, {
    'content-type': `${TYPES[name.split('.')[1]!]}; charset=utf-8`,
    'content-security-policy': "frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  })
  response.end(readFileSync(path.join(projectFolder(), 'flask-sample', 'frontend', name)))
}
