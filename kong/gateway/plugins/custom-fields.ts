import type { Logger } from '../../../foundation/log.ts'

/** Kong runs Lua for `custom_fields_by_lua`; the gateway does not, and says so. */
export function warnOfLua(
  plugin: string,
  fields: Readonly<Record<string, string>> | null,
  logger: Logger,
): void {
  const names = Object.keys(fields ?? {})
  if (names.length > 0)
    logger.warn({ plugin, fields: names }, 'custom_fields_by_lua is ignored: this gateway runs no Lua')
}
