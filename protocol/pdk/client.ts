/** `kong.client` */
import { SluiceError } from '../../foundation/errors.ts'
import { entity, flag, text as nonEmpty } from './checks.ts'
import { list, number, object, text } from './decode.ts'
import type { Consumer, Credential } from './entities.ts'
import { ACCESS, FROM_ACCESS, FROM_ACCESS_WITH_VARIABLES, REQUEST, WITH_VARIABLES } from './phases.ts'
import { type CheckArguments, call } from './row.ts'

export const client = {
  /** The address of the peer, which may be a load balancer. */
  getIp: call<() => Promise<string>>()({ phases: WITH_VARIABLES, wire: ['Empty', 'String'] }),
  /** The client's address, by `X-Forwarded-For` where the peer is trusted. */
  getForwardedIp: call<() => Promise<string>>()({ phases: WITH_VARIABLES, wire: ['Empty', 'String'] }),
  /** The port that the peer connected to. */
  getPort: call<() => Promise<number>>()({ phases: WITH_VARIABLES, wire: ['Empty', 'Int'] }),
  /** The same by `X-Forwarded-Port`, where the peer is trusted. */
  getForwardedPort: call<() => Promise<number>>()({ phases: WITH_VARIABLES, wire: ['Empty', 'Int'] }),
  /** The credential of the client; undefined where nobody is authenticated. */
  getCredential: call<() => Promise<Credential | undefined>>()({
    phases: FROM_ACCESS,
    wire: ['Empty', 'AuthenticatedCredential'],
    step: 'StepCredential',
    decode: credential,
    toKongJs: ({ consumerId, ...same }: Credential) => ({ ...same, consumer: { id: consumerId } }),
  }),
  /** Reads a consumer by its id, or by its name where `byUsername` is set. */
  loadConsumer: call<(id: string, byUsername?: boolean) => Promise<Consumer | undefined>>()({
    phases: FROM_ACCESS,
    wire: ['ConsumerSpec', 'Consumer'],
    step: 'StepConsumer',
    args: checkConsumerSpec(),
    decode: consumer,
    toKongJs: consumerOfKong,
  }),
  /** The authenticated consumer; undefined where there is none. */
  getConsumer: call<() => Promise<Consumer | undefined>>()({
    phases: FROM_ACCESS,
    wire: ['Empty', 'Consumer'],
    step: 'StepConsumer',
    decode: consumer,
    toKongJs: consumerOfKong,
  }),
  /** Sets who the client is; at least one of the two is needed. */
  authenticate: call<
    (consumer: Pick<Consumer, 'id' | 'username' | 'customId'> | undefined, credential?: Credential) => void
  >()({
    phases: ACCESS,
    kind: 'writeRequest',
    wire: ['AuthenticateArgs', 'Empty'],
    step: 'StepCredential',
    args: checkIdentity(),
    toMsgpack: args => args.map(inKongsNames),
  }),
  /** The protocol that the client speaks: `http`, `https`, `grpc`, `tcp`, … */
  getProtocol: call<(allowTerminated?: boolean) => Promise<string | undefined>>()({
    phases: FROM_ACCESS_WITH_VARIABLES,
    wire: ['Bool', 'String'],
    args: { allowTerminated: flag },
  }),
}

export const tls = {
  /** PEM of the client's certificate and its chain. */
  getFullClientCertificateChain: call<() => Promise<string | undefined>>()({ phases: REQUEST }),
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Kong raises for an id that is no UUID, unless it may be a name. */
function checkConsumerSpec(): CheckArguments {
  return ([id, byUsername], name) => {
    nonEmpty(id, `${name}: id`)
    const byName = flag(byUsername, `${name}: byUsername`)
    if (!byName && !UUID.test(String(id)))
      throw new SluiceError('SLUICE_PDK_ARGUMENT', `${name}: id must be a UUID, or byUsername must be true`)
    return [id, byName]
  }
}

function checkIdentity(): CheckArguments {
  return ([consumer, credential], name) => {
    if (consumer === undefined && credential === undefined)
      throw new SluiceError('SLUICE_PDK_ARGUMENT', `${name}: a consumer or a credential is needed`)
    return [entity(consumer, `${name}: consumer`) ?? null, entity(credential, `${name}: credential`) ?? null]
  }
}

/** MsgPack carries the object as it is, and Kong's own names are in snake_case. */
function inKongsNames(value: unknown): unknown {
  if (value === null) return null
  return Object.fromEntries(
    Object.entries(value as object).map(([name, field]) => [
      name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      field,
    ]),
  )
}

/** MsgPack has Kong's own snake_case names, ProtoBuf those of the message. */
function consumer(value: unknown): Consumer | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const username = text(fields.username)
  const customId = text(fields.customId ?? fields.custom_id)
  const createdAt = number(fields.createdAt ?? fields.created_at)
  return {
    id,
    ...(username !== undefined && { username }),
    ...(customId !== undefined && { customId }),
    tags: list(fields.tags),
    ...(createdAt !== undefined && { createdAt }),
  }
}

function consumerOfKong({ customId, createdAt, ...same }: Consumer): object {
  return { ...same, custom_id: customId, created_at: createdAt }
}

function credential(value: unknown): Credential | undefined {
  const fields = object(value)
  const id = text(fields?.id)
  if (!fields || id === undefined) return undefined
  const consumerId = text(fields.consumerId ?? fields.consumer_id ?? object(fields.consumer)?.id)
  return { id, ...(consumerId !== undefined && { consumerId }) }
}
