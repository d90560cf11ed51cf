import { messageOf } from '../../foundation/errors.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** Kong itself: its version, whether it knows the plugins, and whether it read the dump that is served now. */
export const checkKong: Check = async ({ adminUrl, plugins }) => {
  if (adminUrl === undefined)
    return [
      warn('kong', 'not looked at', 'Name its Admin API: sluice doctor --admin-url http://127.0.0.1:8001'),
    ]
  const client = new AdminClient({ url: adminUrl, timeoutMs: 5000 })
  try {
    const root = await client.find('/')
    const version = String(root?.version ?? '')
    return [judgeVersion(version), ...(await Promise.all(plugins.map(plugin => checkPlugin(client, plugin))))]
  } catch (error) {
    return [
      fail(
        'kong',
        `${client.url}/ does not answer as it should: ${messageOf(error)}`,
        'Check the URL. Kong 3.9.3 answers 500 there when a pluginserver has a start_cmd: remove it.',
      ),
    ]
  } finally {
    await client.close()
  }
}

/** Traps of the versions: protocol.md says where each comes from. */
export function judgeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const number = major * 100 + minor
  if (number === 0)
    return warn('kong', `it does not tell its version`, 'Check by hand that it is 2.8 to 3.9.')
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
