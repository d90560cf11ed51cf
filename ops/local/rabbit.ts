import path from 'node:path'
import { writePrivate } from './folders.ts'
import { programOf } from './installation.ts'
import type { Recipe } from './recipe.ts'

const urlOf = (port: number, password: string) => `amqp://sluice:${password}@127.0.0.1:${port}`

export const rabbit: Recipe = {
  source: {
    programs: ['rabbitmq-server', 'erl', 'epmd'],
    // Not /usr/sbin: what Debian puts there runs only as root or as rabbitmq.
    folders: ['usr/lib/rabbitmq/bin', 'usr/lib/rabbitmq/lib/*/sbin', 'usr/lib/erlang/bin'],
    packages: ['rabbitmq-server'],
  },
  container: {
    image: 'rabbitmq:4.1-alpine',
    port: 5672,
    env: password => ({ RABBITMQ_DEFAULT_USER: 'sluice', RABBITMQ_DEFAULT_PASS: password }),
    url: urlOf,
  },
  morePorts: 2,

  async prepare(installation, { folder, port, morePorts, password, lasting }) {
    const { env } = installation
    const [distributionPort, epmdPort] = morePorts
    const program = (name: string) => programOf(installation, name)
    const inFolder = (name: string) => path.join(folder, name)
    writePrivate(
      inFolder('rabbitmq.conf'),
      [
        `listeners.tcp.1 = 127.0.0.1:${port}`,
        'default_user = sluice',
        `default_pass = ${password}`,
        'log.console = true',
        'log.console.level = warning',
        'disk_free_limit.absolute = 100MB',
        '',
      ].join('\n'),
    )
    writePrivate(inFolder('enabled_plugins'), '[].\n')
    return {
      // An epmd that RabbitMQ starts would be a daemon beyond our reach; one that runs already is used.
      command: 'sh',
      args: ['-c', '"$0" -port "$ERL_EPMD_PORT" & exec "$1"', program('epmd'), program('rabbitmq-server')],
      env: {
        ...env,
        PATH: `${path.dirname(program('erl'))}:${env.PATH ?? process.env.PATH}`,
        // Erlang keeps its cookie there.
        HOME: folder,
        LC_ALL: 'C.UTF-8',
        ERL_EPMD_PORT: String(epmdPort),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        ERL_CRASH_DUMP_SECONDS: '0',
        RABBITMQ_DIST_PORT: String(distributionPort),
        RABBITMQ_NODENAME: 'sluice@localhost',
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        RABBITMQ_CONFIG_FILE: inFolder('rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: inFolder('enabled_plugins'),
        RABBITMQ_MNESIA_BASE: inFolder('mnesia'),
        RABBITMQ_LOG_BASE: inFolder('logs'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_PID_FILE: inFolder('pid'),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      },
      // An orderly end takes RabbitMQ some seconds, which only lasting messages are worth.
      endSignal: lasting ? 'TERM' : 'KILL',
      url: urlOf(port, password),
    }
  },

  async probe(url) {
    const { connect } = await import('amqplib')
    const connection = await connect(url, { timeout: 2_000 })
    connection.on('error', () => {})
    await connection.close()
  },
}
