/**
 * What a read costs at least: node:http and one prepared query of the mirror, without a login, a route or a header
 * that is not needed. `BENCH_BARE=http` answers without PostgreSQL, too.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.BENCH_POSTGRES_URL, max: 20 })
const isHttpAlone = process.env.BENCH_BARE === 'http'
const text = 'select json, etag from sluice_manager.entities where kind = $1 and id = $2'

async function read(id: string): Promise<{ json: string; etag: string } | undefined> {
  const { rows } = await pool.query({ name: 'one', text, values: ['services', id] })
  return rows[0] as { json: string; etag: string } | undefined
}

let known: { json: string; etag: string } | undefined
const server = createServer(async (request, response) => {
  const id = request.url?.split('/').at(-1) ?? ''
  const row = isHttpAlone ? (known ?? (await read(id))) : await read(id)
  known = row
  response.writeHead(row ? 200 : 404, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(row?.json ?? ''),
    ...(row && { etag: row.etag }),
  })
  response.end(row?.json)
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
