import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type RequestOptions, request } from 'node:http'
import { freePorts } from './ports.ts'
import type { Recipe } from './recipe.ts'
import type { Service, ServiceKind } from './service.ts'

/** Whether a Docker engine answers at DOCKER_HOST or at the usual socket. */
export async function hasDocker(host = process.env.DOCKER_HOST): Promise<boolean> {
  if (host && !host.startsWith('unix://')) return answers(new URL('/_ping', host.replace(/^tcp:/, 'http:')))
  const socketPath = host?.slice('unix://'.length) ?? '/var/run/docker.sock'
  return existsSync(socketPath) && answers({ socketPath, path: '/_ping' })
}

function answers(target: RequestOptions | URL): Promise<boolean> {
  return new Promise(resolve => {
    const ping = request(target, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    ping.setTimeout(2_000, () => ping.destroy())
    ping
      .on('error', () => resolve(false))
      .on('close', () => resolve(false))
      .end()
  })
}

/** The service in a container, which Testcontainers removes also when this process dies. */
export async function startContainer(kind: ServiceKind, recipe: Recipe): Promise<Service> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers')
  const { image, port, env, command, url } = recipe.container
  const password = randomBytes(18).toString('base64url')
  // A fixed port, because Docker gives another one after a restart.
  const [hostPort] = (await freePorts(1)) as [number]
  const definition = new GenericContainer(image)
    .withEnvironment(env(password))
    .withExposedPorts({ container: port, host: hostPort })
  if (command) definition.withCommand(command(password))
  const started = await definition.start()
  const container = (await getContainerRuntimeClient()).container.getById(started.getId())
  return {
    kind,
    way: 'docker',
    url: url(hostPort, password),
    isRunning: () => true,
    async execute(command) {
      const { exitCode, output } = await started.exec([...command])
      if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}: ${output}`)
      return output
    },
    async pause() {
      await container.pause()
    },
    async resume() {
      await container.unpause()
    },
    async kill() {
      await container.kill({ signal: 'SIGKILL' })
    },
    async restart() {
      await container.kill({ signal: 'SIGKILL' }).catch(() => {})
      await container.start()
    },
    async close() {
      await started.stop({ timeout: 0 })
    },
  }
}
