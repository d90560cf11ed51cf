import { readFileSync } from 'node:fs'

/** What `amqplib` hands to `tls.connect`. */
export interface TlsOptions {
  readonly ca?: Buffer[]
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly rejectUnauthorized?: boolean
}

/**
 * Takes the TLS parameters out of an AMQP URL, by the names that RabbitMQ's own clients use
 * (https://www.rabbitmq.com/docs/uri-query-parameters): `cacertfile`, `certfile`, `keyfile`, and
 * `verify=verify_none` against a certificate that need not be right.
 */
export function splitAmqpUrl(text: string): { url: string; tls: TlsOptions } {
  const url = new URL(text)
  const take = (name: string) => {
    const value = url.searchParams.get(name)
    url.searchParams.delete(name)
    return value ?? undefined
  }
  const ca = take('cacertfile')
  const cert = take('certfile')
  const key = take('keyfile')
  const verify = take('verify')
  return {
    url: url.toString(),
    tls: {
      ...(ca === undefined ? {} : { ca: [readFileSync(ca)] }),
      ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
      ...(key === undefined ? {} : { key: readFileSync(key) }),
      ...(verify === 'verify_none' ? { rejectUnauthorized: false } : {}),
    },
  }
}
