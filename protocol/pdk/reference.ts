import { PHASES } from './phases.ts'
import type { Kind } from './row.ts'
import { CALLS } from './table.ts'

const FILES = ['client', 'ctx', 'log', 'nginx', 'node', 'request', 'response', 'router', 'service', 'vault']
/** A row with the line above it; its type is given, or that of the helper which makes rows of one type. */
const ROW = /\/\*\* (.+?) \*\/\n {2}(\w+): (?:call<([\s\S]+?)>\(\)|(\w+)\(\))/g
const HELPER = /const (\w+) = \(\) =>\s+call<([\s\S]+?)>\(\)/g
const NAMESPACE = /export const (\w+) = \{\n([\s\S]+?)\n\}\n/g

/** What the objects of rows are called where their namespace has another name. */
const NAMESPACES: Readonly<Record<string, string>> = {
  tls: 'client.tls',
  shared: 'ctx.shared',
  serviceRequest: 'service.request',
  serviceResponse: 'service.response',
}

/** Made of other calls where the protocol lacks them. */
const EMULATED: ReadonlySet<Kind> = new Set<Kind>(['readParsedBody', 'exitWithError', 'exitWithJson'])

interface Described {
  readonly doc: string
  readonly type: string
}

/**
 * Every call as a table in Markdown, for docs/pdk.md. What a row's type and its line of doc say is read from the
 * source, since neither exists at run time.
 *
 * @param source gives the text of a file of this folder, by its name without an ending.
 */
export function pdkTable(source: (name: string) => string): string {
  const described = new Map<string, Described>(FILES.flatMap(file => describe(source(file))))
  const rows = CALLS.filter(({ row }) => row.phases.length > 0).map(({ path, row }) => {
    const { doc, type } = described.get(path)!
    const protocols = row.wire === null && !EMULATED.has(row.kind) ? 'MsgPack:1' : 'both'
    return `| \`kong.${path}${type}\` | ${doc} | ${phasesShown(row.phases)} | ${protocols} |`
  })
  return ['| call | | phases | protocol |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function describe(text: string): (readonly [path: string, described: Described])[] {
  const helpers = new Map([...text.matchAll(HELPER)].map(([, name = '', type = '']) => [name, type]))
  return [...text.matchAll(NAMESPACE)].flatMap(([, name, body]) =>
    [...body!.matchAll(ROW)].map(
      ([, doc, call, type, helper]) =>
        [
          `${NAMESPACES[name!] ?? name}.${call}`,
          { doc: inCell(doc!), type: signature(type ?? helpers.get(helper!)!) },
        ] as const,
    ),
  )
}

/** `(name: string) => Promise<string>` → `(name: string): Promise<string>` */
const signature = (type: string) =>
  inCell(
    type
      .replace(/\) => (?=[^)]*$)/, '): ')
      .replace(/\s+/g, ' ')
      .trim(),
  )
const inCell = (text: string) => text.replaceAll('|', '\\|')

const phasesShown = (phases: readonly string[]) =>
  phases.length === PHASES.length ? 'all' : phases.join(', ')
