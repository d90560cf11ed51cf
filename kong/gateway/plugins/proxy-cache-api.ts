import type { ApiAnswer } from './builtin.ts'
import type { ResponseStore } from './response-store.ts'

const PATH = /^\/proxy-cache(?:\/([^/]+)(?:\/caches\/([^/]+))?)?\/?$/

/** `/proxy-cache`, `/proxy-cache/<key>` and `/proxy-cache/<plugin>/caches/<key>`. */
export function cacheApi(store: ResponseStore, isPlugin: (id: string) => boolean) {
  return (method: string, path: string): ApiAnswer | undefined => {
    const found = PATH.exec(path)
    if (!found) return undefined
    const [, first, last] = found
    if (first === undefined) return method === 'DELETE' ? purge(store) : notAllowed
    if (method !== 'GET' && method !== 'DELETE') return notAllowed
    if (last !== undefined && !isPlugin(first)) return notFound()
    return entry(store, method, last ?? first)
  }
}

const notAllowed: ApiAnswer = {
  status: 405,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify({ message: 'Method not allowed' }),
}

function purge(store: ResponseStore): ApiAnswer {
  store.clear()
  return { status: 204 }
}

function entry(store: ResponseStore, method: 'GET' | 'DELETE', key: string): ApiAnswer {
  const stored = store.get(key)
  if (!stored) return notFound()
  if (method === 'DELETE') {
    store.delete(key)
    return { status: 204 }
  }
  const { status, headers, body, storedAtMs, ttlSeconds } = stored
  return {
    status: 200,
    type: 'application/json; charset=utf-8',
    body: JSON.stringify({
      ...{ status, headers, version: 1, ttl: ttlSeconds },
      body: body.toString('utf8'),
      body_len: body.length,
      timestamp: Math.floor(storedAtMs / 1_000),
    }),
  }
}

/** Kong writes no body here, so nginx sends its own page. */
function notFound(): ApiAnswer {
  return {
    status: 404,
    type: 'text/html; charset=UTF-8',
    body: '<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n',
  }
}
