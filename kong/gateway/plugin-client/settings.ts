import type { Environment } from '../../../foundation/environment.ts'
import { SluiceError } from '../../../foundation/errors.ts'

export interface PluginServerSettings {
  readonly name: string
  readonly socket: string
  /** Undefined when somebody else starts the server. */
  readonly startCommand?: string
  readonly queryCommand: string
}

/**
 * Reads `KONG_PLUGINSERVER_NAMES` and, for each name, `KONG_PLUGINSERVER_<NAME>_{SOCKET,START_CMD,QUERY_CMD}`. Dashes
 * of a name are underscores in the variables.
 *
 * @throws SLUICE_GATEWAY_CONFIG where a server has no query command, as Kong refuses to start.
 */
export function readPluginServers(environment: Environment): PluginServerSettings[] {
  const prefix = environment.KONG_PREFIX ?? '/usr/local/kong'
  return (environment.KONG_PLUGINSERVER_NAMES ?? '')
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '')
    .map(name => {
      const setting = (what: string) =>
        environment[`KONG_PLUGINSERVER_${name.replaceAll('-', '_').toUpperCase()}_${what}`] || undefined
      const queryCommand = setting('QUERY_CMD')
      if (queryCommand === undefined)
        throw new SluiceError('SLUICE_GATEWAY_CONFIG', `query_command undefined for pluginserver ${name}`)
      const startCommand = setting('START_CMD')
      return {
        name,
        socket: setting('SOCKET') ?? `${prefix}/${name}.socket`,
        queryCommand,
        ...(startCommand !== undefined && { startCommand }),
      }
    })
}
