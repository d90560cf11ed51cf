import { normalizeText } from '../../entities/paths.ts'
import { isObject } from '../../schema/spec.ts'

type Tree = Readonly<Record<string, unknown>>

/**
 * A declaration of format 1.1 or 2.1 in the form of 3.0, as Kong migrates it: a path that cannot be plain text becomes
 * a regular expression. Only the routes at the top and those of services at the top are looked at.
 */
export function migrateDeclaration(tree: Tree): Tree {
  if (tree._format_version !== '1.1' && tree._format_version !== '2.1') return tree
  return {
    ...tree,
    ...migratedRoutes(tree),
    ...(Array.isArray(tree.services) && {
      services: tree.services.map(service =>
        isObject(service) ? { ...service, ...migratedRoutes(service) } : service,
      ),
    }),
    _format_version: '3.0',
  }
}

const migratedRoutes = ({ routes }: Tree): Tree =>
  Array.isArray(routes)
    ? { routes: routes.map(route => (isObject(route) ? migratedRoute(route) : route)) }
    : {}

const migratedRoute = (route: Tree): Tree =>
  Array.isArray(route.paths)
    ? { ...route, paths: route.paths.map(path => (typeof path === 'string' ? migratePath(path) : path)) }
    : route

export const migratePath = (path: string): string =>
  /^[a-zA-Z0-9.\-_~/%]*$/.test(path) ? normalizeText(path) : `~${decodeInRegex(path)}`

/** Kong no longer decodes the paths of routes, so that it is done here for the last time. */
const decodeInRegex = (regex: string): string =>
  regex.replace(/%([0-9a-f]{2})/gi, (octet, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    if (/[!#$%&'()*+,/:;=?@[\]]/.test(char)) return octet.toUpperCase()
    return /[.^\-{}\\|]/.test(char) ? `\\${char}` : char
  })
