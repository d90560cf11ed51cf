import { Duplex } from 'node:stream'
import { type ChannelModel, connect } from 'amqplib'
import { messageOf } from '../../foundation/errors.ts'
import { splitAmqpUrl } from './tls.ts'

/**
 * Connects to a broker.
 *
 * @param amqpUrl `amqps://user:password@host/vhost?cacertfile=…`
 * @throws Error that says what is wrong, without the password.
 */
export async function connectBroker(amqpUrl: string, timeoutMs: number): Promise<ChannelModel> {
  const { url, tls } = splitAmqpUrl(amqpUrl)
  try {
    return await connect(url, {
      timeout: timeoutMs,
      noDelay: true,
      ...tls,
      clientProperties: { connection_name: 'sluice' },
    })
  } catch (error) {
    throw new Error(reasonOf(error, new URL(url)), { cause: error })
  }
}

/** amqplib tells a refusal in the words of the protocol. */
function reasonOf(error: unknown, { username, pathname, host }: URL): string {
  const text = messageOf(error)
  const user = decodeURIComponent(username)
  if (/Expected ConnectionOpenOk/.test(text)) {
    const vhost = decodeURIComponent(pathname.slice(1)) || '/'
    return `the virtual host ${JSON.stringify(vhost)} does not exist, or the user ${user} has no access to it`
  }
  if (/ACCESS-REFUSED/.test(text)) return `the broker refuses the user ${user} or its password`
  if (/wrong version number/.test(text)) return `${host} does not speak TLS: use amqp://, or its TLS port`
  return text
}

/** Closes the socket without asking the broker, which may be frozen. */
export function destroyConnection(connection: ChannelModel): void {
  connection.on('error', () => {})
  const inner: object = connection.connection
  // With an error, since the library stops its heartbeats only then.
  if ('stream' in inner && inner.stream instanceof Duplex)
    inner.stream.destroy(new Error('the connection was given up'))
}
