import { randomUUID } from 'node:crypto'
import { AdminRefused } from '../../kong/admin/answer.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import type { Row } from '../../kong/reconcile/change.ts'
import { flattenViolations } from '../../kong/reconcile/expected.ts'
import { KINDS, type KindName, PARENTS_OF } from '../../kong/reconcile/kinds.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import { entryOf, isObject, type Violation } from '../../kong/schema/spec.ts'
import { pointerTo } from '../../management/changes/fault.ts'
import type { Operation } from '../../management/changes/operation.ts'
import { planOperations } from '../../management/changes/planner.ts'
import type { Source } from '../../management/changes/source.ts'
import { validateByKong } from '../../management/changes/validate.ts'
import { Mirroring } from '../../management/mirror/mirrored.ts'
import { newKeyLine, Sealer } from '../../management/sealer.ts'

/** What somebody says to a body: nothing against it, or where something is wrong. */
export interface Verdict {
  readonly isTaken: boolean
  /** JSON pointers of what is wrong with the content. */
  readonly content: readonly string[]
  /** Of what is taken by somebody else, or refers to what is not there. */
  readonly conflicts: readonly string[]
  /** Whether there is a place for each fault. */
  readonly isPlaced: boolean
  readonly text: string
}

export interface Wish {
  readonly action: 'create' | 'replace' | 'update'
  readonly kind: KindName
  readonly key?: string
  readonly body: Row
}

const sealer = new Sealer(newKeyLine(0))

/** The manager's, before anything is written; of plugins it asks Kong's own validation, too. */
export async function verdictOfManager(
  wish: Wish,
  {
    source,
    schemas,
    client,
  }: { readonly source: Source; readonly schemas: Schemas; readonly client: AdminClient },
): Promise<Verdict> {
  const operation: Operation = { ...wish, pointer: '' }
  const { faults } = await planOperations([operation], {
    source,
    schemas,
    mirroring: new Mirroring(schemas, sealer),
    newId: randomUUID,
    now: () => Date.now() / 1_000,
    stuck: new Set(),
    validate: validateByKong(client),
  })
  const placesOf = (isMeant: (kind: string) => boolean) =>
    sorted(faults.filter(({ kind }) => isMeant(kind)).map(({ pointer }) => pointer))
  return {
    isTaken: faults.length === 0,
    content: placesOf(kind => kind !== 'conflict'),
    conflicts: placesOf(kind => kind === 'conflict'),
    isPlaced: true,
    text: faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; '),
  }
}

const sorted = (texts: readonly string[]): readonly string[] => [...new Set(texts)].sort()

const CONFLICTS = new Set([3, 4, 5])

/** What Kong answered to a refused request. */
export function verdictOfRefusal(
  wish: Pick<Wish, 'kind' | 'body'>,
  { refusal, message, status }: Pick<AdminRefused, 'refusal' | 'message' | 'status'>,
): Verdict {
  const fields = isObject(refusal.fields) ? (refusal.fields as Record<string, Violation>) : {}
  const isConflict = CONFLICTS.has(Number(refusal.code))
  const places = isConflict
    ? Object.keys(fields)
        .filter(name => !name.startsWith('@'))
        .slice(0, 1)
        .map(name => `/${name === 'cert_digest' ? 'cert' : name.split('.')[0]}`)
    : flattenViolations(fields).map(({ path }) => placeOf(wish, path))
  return {
    isTaken: false,
    content: isConflict ? [] : sorted(places),
    conflicts: isConflict ? sorted(places) : [],
    isPlaced: places.length > 0,
    text: `${status} ${refusal.message ?? message}`,
  }
}

/** Kong tells the shorthands of a configuration without their path. */
function placeOf({ kind, body }: Pick<Wish, 'kind' | 'body'>, path: readonly (string | number)[]): string {
  const names = path.filter(part => part !== '@entity')
  const [first = ''] = names
  const isShorthand =
    kind === 'plugins' && !Object.hasOwn(body, first) && !PLUGIN_FIELDS.has(String(first)) && first !== ''
  return pointerTo('', isShorthand ? ['config', ...names] : names)
}

const PLUGIN_FIELDS = new Set(KINDS.plugins.schema.fields.map(field => entryOf(field)[0]))

/** Kong's: what it takes is made, and then deleted again where it is new. @throws AdminRefused from 500 on */
export async function verdictOfKong(client: AdminClient, wish: Wish): Promise<Verdict> {
  const { within, path, nestedPath } = KINDS[wish.kind]
  const owner = within === undefined ? undefined : (wish.body[within] as { id: string })
  const collection = owner ? `/${within}s/${owner.id}/${nestedPath}` : `/${path}`
  const body = Object.fromEntries(Object.entries(wish.body).filter(([name]) => name !== within))
  try {
    if (wish.action === 'create') {
      const made = (await client.request('POST', collection, body)) as Row
      await client.request('DELETE', `${collection}/${String(made.id)}`)
    } else
      await client.request(
        wish.action === 'update' ? 'PATCH' : 'PUT',
        `${collection}/${encodeURIComponent(wish.key ?? '')}`,
        body,
      )
    return { isTaken: true, content: [], conflicts: [], isPlaced: true, text: '' }
  } catch (error) {
    if (error instanceof AdminRefused && error.status < 500) return verdictOfRefusal(wish, error)
    throw error
  }
}

/** In what the manager's verdict is another one than Kong's; undefined where in nothing. */
export function differenceOf(
  manager: Verdict,
  kong: Verdict,
  { kind, body }: Pick<Wish, 'kind' | 'body'>,
): string | undefined {
  // That a key is taken is found by Kong itself: the mirror does not compare secrets.
  if (kong.conflicts.some(place => KINDS[kind].secrets.includes(topOf(place)))) return undefined
  if (manager.isTaken !== kong.isTaken)
    return manager.isTaken
      ? `taken, but Kong refuses: ${kong.text}`
      : `refused, but Kong takes it: ${manager.text}`
  if (kong.isTaken || !kong.isPlaced) return undefined
  const [theirs, ours] = [kong, manager].map(({ content, conflicts }) =>
    [...content, ...conflicts].map(place => toldPart(place, body)),
  ) as [string[], string[]]
  const isTold = theirs.every(place => ours.some(own => isSamePlace(own, place)))
  // Kong ends with its first fault there, where the manager tells all.
  const isFirst =
    kong.conflicts.length > 0 ||
    /must match|duplicated|already associated|foreign key|unknown type/.test(kong.text + manager.text)
  const isAll = isTold || /must match/.test(kong.text)
  const isOnly =
    isFirst ||
    // The id is ours to check, whatever Kong ends with.
    manager.content.every(
      own => own === '/id' || theirs.some(place => isSamePlace(toldPart(own, body), place)),
    )
  if (isAll && isOnly) return undefined
  return `at ${ours.join(' ') || 'nothing'}, but Kong at ${theirs.join(' ')}: ${manager.text} | ${kong.text}`
}

/**
 * A place as far as Kong tells it: of a map not which of its values it means, of a list that stands in the place of a
 * record its items by Lua's numbers.
 */
function toldPart(place: string, body: unknown): string {
  const told: string[] = []
  let at = body
  let isInList = false
  for (const part of place.split('/').slice(1)) {
    const list = Array.isArray(at) ? at : undefined
    if (/^\d+$/.test(part) && (!list || isInList || Number(part) >= list.length)) break
    if (isFieldOfValues(at, part)) break
    told.push(part)
    at = (at as Row | null | undefined)?.[part]
    isInList = list !== undefined
  }
  return told.map(part => `/${part}`).join('')
}

/** Whether a name is that of a field in the values of a map. */
const isFieldOfValues = (map: unknown, name: string): boolean =>
  isObject(map) &&
  !Object.hasOwn(map, name) &&
  Object.values(map).some(value => isObject(value) && Object.hasOwn(value, name))

/** Of a reference that is none, what it misses first. */
const isSamePlace = (a: string, b: string): boolean =>
  a === b ||
  a.startsWith(`${b}/`) ||
  b.startsWith(`${a}/`) ||
  (topOf(a) === topOf(b) && REFERENCES.has(topOf(a)))

const topOf = (place: string): string => place.split('/')[1] ?? ''
const REFERENCES: ReadonlySet<string> = new Set(PARENTS_OF.keys())
