/** Runs a service's program as a process of this machine. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { type ChildGuard, guardChild } from './child-guard.ts'
import { cacheFolder, endOfLog, ownFolder, temporaryFolder, writePrivate } from './folders.ts'
import type { Installation } from './installation.ts'
import { freePorts, onFreePorts } from './ports.ts'
import type { Recipe } from './recipe.ts'
import { NAMES, type Service, type ServiceKind } from './service.ts'

/** How long a service may take from its start to its first answer, milliseconds. */
const READY_MS = 60_000

export const startProgram = (...args: Parameters<typeof tryProgram>): Promise<Service> =>
  onFreePorts(() => tryProgram(...args))

interface Found {
  readonly way: 'program' | 'package'
  readonly installation: Installation
}

async function tryProgram(
  kind: ServiceKind,
  recipe: Recipe,
  { way, installation }: Found,
  { lasting }: { readonly lasting?: string },
): Promise<Service> {
  const folder = lasting === undefined ? temporaryFolder(kind) : ownFolder(lasting)
  const removeFolder = () => (lasting === undefined ? rm(folder, { recursive: true }) : undefined)
  const [port = 0, ...morePorts] = await freePorts(1 + recipe.morePorts)
  const setup = {
    folder,
    port,
    morePorts,
    password: lasting === undefined ? newPassword() : keptPassword(folder),
    lasting: lasting !== undefined,
    cache: cacheFolder(),
  }
  const launch = await recipe.prepare(installation, setup).catch(async error => {
    await removeFolder()
    throw error
  })
  // Of the run before.
  await rm(path.join(folder, 'log'), { force: true })
  const guard = guardChild(launch, folder, lasting === undefined ? {} : { keepFolder: true, graceMs: 15_000 })
  const start = async () => {
    await guard.start()
    await untilReady(kind, recipe, launch.url, { guard, folder })
  }
  try {
    await start()
  } catch (error) {
    await guard.close()
    throw error
  }
  return {
    kind,
    way,
    url: launch.url,
    get pid() {
      return guard.pid
    },
    logFile: path.join(folder, 'log'),
    isRunning: () => guard.isRunning(),
    pause: () => guard.pause(),
    async resume() {
      guard.resume()
    },
    kill: () => guard.kill(),
    async restart() {
      await guard.kill()
      await start()
    },
    close: () => guard.close(),
  }
}

export async function untilReady(
  kind: ServiceKind,
  recipe: Recipe,
  url: string,
  own?: { readonly guard: ChildGuard; readonly folder: string },
): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    try {
      return await recipe.probe(url)
    } catch (error) {
      const log = own === undefined ? '' : endOfLog(path.join(own.folder, 'log'))
      if (own && !own.guard.isRunning())
        throw new SluiceError('SLUICE_SERVICE_UNAVAILABLE', `${NAMES[kind]} exited at startup:\n${log}`)
      if (performance.now() > deadline)
        throw new SluiceError(
          'SLUICE_SERVICE_UNAVAILABLE',
          `${NAMES[kind]} did not answer in ${READY_MS / 1_000} s: ${messageOf(error)}\n${log}`,
        )
      await sleep(20)
    }
  }
}

const newPassword = () => randomBytes(18).toString('base64url')

function keptPassword(folder: string): string {
  const file = path.join(folder, 'password')
  if (!existsSync(file)) writePrivate(file, newPassword())
  return readFileSync(file, 'utf8')
}
