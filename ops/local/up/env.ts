import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { platformFolder } from '../folders.ts'
import { sluice } from './component.ts'
import { tokenFile } from './manager.ts'
import { declaredSettings, sluiceSettings } from './platform.ts'
import { PORTS, type PortName } from './ports.ts'
import { replaceFile, type UpState } from './state.ts'

/** What a shell sources to operate the platform; only its user may read it, since it holds passwords. */
export const envFile = () => path.join(platformFolder(), 'env')

/**
 * The addresses and credentials of the platform as lines of a POSIX shell, so that `sluice plan`, `limits`,
 * `breaker`, `audit`, `events` and `doctor` work against it.
 */
export function environment({ ports, urls }: UpState): string {
  const variables = {
    ...sluiceSettings(ports, urls),
    SLUICE_ADMIN_URL: `http://127.0.0.1:${ports.admin}`,
    ...declaredSettings(ports),
    ...(existsSync(tokenFile()) && { SLUICE_MANAGER_TOKEN_FILE: tokenFile() }),
    ...Object.fromEntries(
      Object.entries(PORTS).map(([name, { env }]) => [env, String(ports[name as PortName])]),
    ),
  }
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`)
  return [`export PATH=${quote(commandFolder())}:"$PATH"`, ...lines, ''].join('\n')
}

/** Writes the file, and the command `sluice` of this clone beside it. */
export function writeEnvironment(state: UpState): void {
  const command = `#!/bin/sh\nexec ${quote(process.execPath)} ${quote(sluice())} "$@"\n`
  mkdirSync(commandFolder(), { recursive: true })
  replaceFile(path.join(commandFolder(), 'sluice'), command, 0o755)
  replaceFile(envFile(), environment(state), 0o600)
}

export function removeEnvironment(): void {
  rmSync(envFile(), { force: true })
}

const commandFolder = () => path.join(platformFolder(), 'bin')

const quote = (text: string) => (/^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
