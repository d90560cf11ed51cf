import { noAdminApi } from '../../kong/admin/answer.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { withAdmin } from './admin.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'
import { findEntryProblems } from './entries.ts'

/** Kong: its version, its plugins and their entries, and whether it has read the dump that is served now. */
export const checkKong: Check = async ({ adminUrl, plugins }) => {
  if (adminUrl === undefined)
    return [
      warn('kong', 'not checked', 'Name its Admin API: sluice doctor --admin-url http://127.0.0.1:8001'),
    ]
  return withAdmin('kong', adminUrl, async client => {
    const root = await client.find('/')
    if (typeof root?.version !== 'string') throw noAdminApi(client.url, '/')
    const known = await Promise.all(plugins.map(plugin => checkPlugin(client, plugin)))
    return [judgeVersion(root.version), ...known, ...(await findEntryProblems(client, plugins))]
  })
}

/** Traps of the versions: docs/running-kong.md says where each comes from. */
export function judgeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const number = major * 100 + minor
  if (number < 208) return fail('kong', `version ${version} is older than 2.8`, 'Use Kong 2.8 or later.')
  if (number < 309)
    return ok('kong', `version ${version}; it reads all plugins of a dump, one entry a plugin works as well`)
  if (number > 309)
    return warn(
      'kong',
      `version ${version} is newer than 3.9, with which this was tested`,
      'Run the contract tests against it.',
    )
  return ok(
    'kong',
    `version ${version}; it reads only the first plugin of a dump: one pluginserver_names entry a plugin`,
  )
}

async function checkPlugin(client: AdminClient, plugin: AnyPlugin): Promise<Finding> {
  const area = `kong: ${plugin.name}`
  const schema = await client.find(`/schemas/plugins/${plugin.name}`)
  if (!schema)
    return warn(
      area,
      'Kong does not know it',
      `Add its settings (sluice kong-conf) and restart Kong, if you mean to use it.`,
    )
  const { Schema } = describePlugin(plugin)
  const ours = configFields(Schema.fields)
  const theirs = configFields((schema.fields ?? []) as readonly Record<string, unknown>[])
  const differing = [...new Set([...ours, ...theirs])].filter(
    name => !ours.includes(name) || !theirs.includes(name),
  )
  if (differing.length === 0) return ok(area, 'Kong knows it by the same fields')
  return fail(
    area,
    `Kong has read another version of it; these fields differ: ${differing.join(', ')}`,
    'Reload Kong: it reads a dump at start and reload only.',
  )
}

function configFields(fields: readonly Record<string, unknown>[]): string[] {
  const config = fields.find(field => 'config' in field)?.config as
    | { fields?: Record<string, unknown>[] }
    | undefined
  return (config?.fields ?? []).flatMap(field => Object.keys(field))
}
