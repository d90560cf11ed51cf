/** The management API and the dashboard over the gateway, with an operator for whoever tries them. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type Component, sluice, startCommand } from './component.ts'
import { answers, type Stores, secretFile, sluiceSettings, urlsOf } from './platform.ts'
import type { Ports } from './ports.ts'
import { catalogueSettings } from './samples.ts'
import { privateFolder, replaceFile } from './state.ts'

/** Its operator, an admin. */
export const OPERATOR = 'admin'

/** The operator's password. */
export const passwordFile = () => secretFile('manager-password')
/** A token of the operator, for curl. */
export const tokenFile = () => path.join(privateFolder('secrets'), 'manager-token')

export async function startManager(ports: Ports, stores: Stores): Promise<Component> {
  const url = `http://127.0.0.1:${ports.manager}`
  const env = {
    ...sluiceSettings(ports, urlsOf(stores)),
    ...catalogueSettings(ports),
  }
  const manager = await startCommand({
    ...{ name: 'manager', about: url, args: ['manager'], env },
    isReady: () => answers(`${url}/healthz`),
  })
  try {
    if (!(await knowsToken(url))) await addOperator(env)
    return manager
  } catch (error) {
    await manager.close()
    throw error
  }
}

/** The database may be another one than at the last start. */
async function knowsToken(url: string): Promise<boolean> {
  if (!existsSync(tokenFile())) return false
  const token = readFileSync(tokenFile(), 'utf8').trim()
  return (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).ok
}

async function addOperator(env: Readonly<Record<string, string>>): Promise<void> {
  const operator = (...args: string[]) => ['manager', 'operator', ...args]
  const operators = await runSluice(operator('list', '--json'), env)
  const isThere = (JSON.parse(operators) as readonly { name: string }[]).some(({ name }) => name === OPERATOR)
  if (!isThere) await runSluice(operator('add', OPERATOR, '--role', 'admin', '--no-token'), env)
  await runSluice(operator('password', OPERATOR), env, readFileSync(passwordFile(), 'utf8'))
  const token = await runSluice(['manager', 'token', 'create', OPERATOR, `make-up-${Date.now()}`], env)
  replaceFile(tokenFile(), token, 0o600)
}

/** @returns what it printed */
function runSluice(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [sluice(), ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) =>
        error ? reject(new Error(stderr.trim() || error.message)) : resolve(stdout),
    )
    child.stdin?.end(input)
  })
}
