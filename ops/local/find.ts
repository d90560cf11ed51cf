import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { type Confirm, confirm } from './confirm.ts'
import { consul } from './consul.ts'
import { hasDocker, startContainer } from './docker.ts'
import { cacheFolder } from './folders.ts'
import { findPrograms } from './installation.ts'
import { SYSTEM, unpackPackages } from './packages.ts'
import { postgres } from './postgres.ts'
import { startProgram, untilReady } from './program.ts'
import { rabbit } from './rabbit.ts'
import type { Recipe } from './recipe.ts'
import { redis } from './redis.ts'
import { NAMES, type Service, type ServiceKind, type Way } from './service.ts'

const RECIPES: Readonly<Record<ServiceKind, Recipe>> = { redis, postgres, rabbit, consul }
const VARIABLES: Readonly<Record<ServiceKind, string>> = {
  redis: 'REDIS_URL',
  postgres: 'POSTGRES_URL',
  rabbit: 'AMQP_URL',
  consul: 'CONSUL_URL',
}

export interface FindOptions {
  /** Before the names of the variables with URLs: `SLUICE_` or `SLUICE_TEST_`. */
  readonly variables: 'SLUICE_' | 'SLUICE_TEST_'
  /** Whether it must be ours alone, so that it may be paused and killed: then a given URL does not serve. */
  readonly alone?: boolean
  /** A folder of this name under `.sluice/data` keeps its files for the next time; else they go with it. */
  readonly lasting?: string
  readonly ways?: readonly Way[]
  readonly say?: (line: string) => void
  /** Is asked before anything is fetched; asks on the terminal by default. */
  readonly confirm?: Confirm
}

/**
 * Finds a service in the first way that works: its URL in the environment, Docker, the program on this machine,
 * its Debian package.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE that says for each way why it did not work
 */
export async function findService(kind: ServiceKind, options: FindOptions): Promise<Service> {
  const reasons: string[] = []
  for (const way of options.ways ?? (['environment', 'docker', 'program', 'package'] as const)) {
    try {
      return await WAYS[way](kind, RECIPES[kind], options)
    } catch (error) {
      reasons.push(`${way}: ${messageOf(error)}`)
      // A URL that was given and a program that is there are meant to be used: their failure is the answer.
      if (error instanceof SluiceError) throw error
    }
  }
  throw new SluiceError(
    'SLUICE_SERVICE_UNAVAILABLE',
    `${NAMES[kind]} is unavailable:\n  ${reasons.join('\n  ')}`,
  )
}

/** Has the program of the service at hand, fetching it where it is missing; starts nothing. */
export async function obtain(
  kind: ServiceKind,
  variables: FindOptions['variables'],
  say: (line: string) => void,
): Promise<void> {
  if (process.env[`${variables}${VARIABLES[kind]}`] || (await hasDocker())) return
  const { source } = RECIPES[kind]
  if (!findPrograms(source)) await unpackPackages(source, cacheFolder(), { say, confirm })
}

const WAYS: Readonly<
  Record<Way, (kind: ServiceKind, recipe: Recipe, options: FindOptions) => Promise<Service>>
> = {
  async environment(kind, recipe, { variables, alone }) {
    const name = `${variables}${VARIABLES[kind]}`
    const url = process.env[name]
    if (!url) throw new Error(`${name} is not set`)
    if (alone)
      throw new Error(`the server at ${name} belongs to somebody else: it may not be paused or killed`)
    try {
      // Several URLs are the nodes of a Redis Cluster; one of them tells enough.
      await recipe.probe(url.replace(/,.*/s, '').trim())
    } catch (error) {
      throw new SluiceError('SLUICE_SERVICE_UNAVAILABLE', `${NAMES[kind]} at ${name}: ${messageOf(error)}`)
    }
    const refuse = async () => {
      throw new Error(`${NAMES[kind]} at ${name} belongs to somebody else: it is not stopped from here`)
    }
    return {
      kind,
      way: 'environment',
      url,
      isRunning: () => true,
      pause: refuse,
      resume: refuse,
      kill: refuse,
      restart: refuse,
      async close() {},
    }
  },

  async docker(kind, recipe) {
    if (!(await hasDocker())) throw new Error('no Docker engine responds')
    const service = await startContainer(kind, recipe)
    await untilReady(kind, recipe, service.url)
    return {
      ...service,
      async restart() {
        await service.restart()
        await untilReady(kind, recipe, service.url)
      },
    }
  },

  async program(kind, recipe, options) {
    const programs = findPrograms(recipe.source)
    if (!programs) throw new Error(`${recipe.source.programs.join(', ')} not found on this machine`)
    return startProgram(kind, recipe, { way: 'program', installation: { programs, env: SYSTEM } }, options)
  },

  async package(kind, recipe, options) {
    const say = options.say ?? (line => process.stderr.write(`${NAMES[kind]}: ${line}\n`))
    const installation = await unpackPackages(recipe.source, cacheFolder(), {
      say,
      confirm: options.confirm ?? confirm,
    })
    return startProgram(kind, recipe, { way: 'package', installation }, options)
  },
}
