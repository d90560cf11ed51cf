import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import type { DeclaredState } from '../../kong/reconcile/files/declared.ts'
import type { Problem } from '../../kong/reconcile/files/problem.ts'
import { createSchemas } from '../../kong/reconcile/schemas.ts'
import { type Validated, validateState } from '../../kong/reconcile/validate.ts'
import { showNotes } from '../format/notes.ts'
import { collect } from '../wiring/admin.ts'
import { type TagFlags, withTagOptions } from '../wiring/declared-state.ts'
import { knownSchemas } from '../wiring/known-schemas.ts'
import { withPluginChecks } from '../wiring/plugin-checks.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'
import { type FileFlags, readState, withFileOptions } from '../wiring/state-files.ts'

interface ValidateFlags extends FileFlags, PluginFlags, TagFlags {
  readonly pluginDump?: readonly string[]
  readonly json?: boolean
}

export const command = withPluginOptions(withTagOptions(withFileOptions(new Command())))
  .option('--plugin-dump <file>', 'output of another plugin server for query_cmd; repeatable', collect)
  .option('--json', 'print JSON')
  .addHelpText(
    'after',
    `
Checks by the schemas of Kong 3.9 and its bundled plugins, of the shipped
plugins and of --plugins, whose own checks run, too. Plugins that are not known
are named and not checked.
Exit status: 0 valid, 1 a mistake.`,
  )
  .action(async (flags: ValidateFlags) => {
    const declared = await readState(flags)
    const result = await validate(declared, flags)
    if (flags.json) process.stdout.write(`${JSON.stringify(toJson(result), null, 2)}\n`)
    else if (!('error' in result)) show(result)
    if (!('error' in result)) return
    if (!flags.json) throw result.error
    process.exitCode = 1
  })

type Result = Validated | { readonly error: SluiceError }

async function validate(declared: DeclaredState, flags: ValidateFlags): Promise<Result> {
  const plugins = await loadAskedPlugins(flags)
  const schemas = createSchemas(
    knownSchemas(plugins, {
      dumps: flags.pluginDump ?? [],
      hasExpressions: declared.entities.some(
        ({ kind, fields }) => kind === 'routes' && 'expression' in fields,
      ),
    }),
  )
  return withPluginChecks(plugins, async checkPlugin => {
    try {
      const options = { selectTags: flags.selectTag ?? [], newId: randomUUID, checkPlugin }
      return validateState(declared, schemas, options)
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'SLUICE_STATE_INVALID') return { error }
      throw error
    }
  })
}

function show({ entities, warnings, notices }: Validated): void {
  showNotes({ notices, warnings: warnings.map(lineOf) })
  process.stdout.write(`Valid: ${entities} ${entities === 1 ? 'entity' : 'entities'}.\n`)
}

const lineOf = ({ file, position, text }: Problem): string =>
  `${file}:${position.line}:${position.column}: ${text}`

function toJson(result: Result): Record<string, unknown> {
  if ('error' in result) {
    const { problems = [] } = result.error.details as { readonly problems?: readonly Problem[] }
    return { valid: false, mistakes: problems.map(flat) }
  }
  const { entities, warnings, notices } = result
  return { valid: true, entities, warnings: warnings.map(flat), notices }
}

const flat = ({ file, position, text }: Problem) => ({ file, ...position, text })
