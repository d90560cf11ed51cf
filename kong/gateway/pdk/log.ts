import { text } from './arguments.ts'
import { type Answer, allow, everywhere, type LogLevel } from './call.ts'
import { textOf } from './text.ts'

const write =
  (level: LogLevel): Answer =>
  ({ plugin }, { log }, args) => {
    log(level, plugin.name, args.map(shown).join(''))
  }

/** As Lua's tostring shows it, but for tables, whose address tells nobody anything. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nil'
  if (value instanceof Uint8Array) return textOf(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** `kong.log`. */
export const log = {
  ...everywhere({
    'kong.log.alert': write('alert'),
    'kong.log.crit': write('crit'),
    'kong.log.err': write('err'),
    'kong.log.warn': write('warn'),
    'kong.log.notice': write('notice'),
    'kong.log.info': write('info'),
    'kong.log.debug': write('debug'),
    'kong.log.set_serialize_value': ({ exchange }, _, [key, value]) => {
      exchange.serializeValues.push({ key: text(key, 'key'), value })
    },
  }),
  ...allow(['log'], { 'kong.log.serialize': ({ entry }) => JSON.stringify(entry!()) }),
}
