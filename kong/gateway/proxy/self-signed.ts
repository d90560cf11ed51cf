import { createHash, generateKeyPairSync, sign } from 'node:crypto'

/** A certificate and its key, both PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

const SEQUENCE = 0x30
const SET = 0x31
const OID = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
} as const
const YEARS = 20

/** One value in DER (X.690): tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const { length } = body
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), body])
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const utf8 = (text: string) => der(0x0c, Buffer.from(text))
/** `YYYYMMDDHHMMSSZ` */
const time = (ms: number) =>
  der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]|\..*/g, '')}Z`))
const bits = (bytes: Buffer) => der(0x03, Buffer.of(0), bytes)
const extension = (id: string, value: Buffer) => der(SEQUENCE, oid(id), der(0x04, value))

/**
 * Makes a certificate for a host that is its own issuer (RFC 5280), with a new P-256 key: what Kong serves where it
 * knows no certificate of a name.
 *
 * @param nowMs milliseconds since the epoch; it is valid from then on
 */
export function selfSigned(host: string, nowMs: number): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(OID.commonName), utf8(host))))
  const algorithm = der(SEQUENCE, oid(OID.ecdsaWithSha256))
  const end = new Date(nowMs)
  end.setUTCFullYear(end.getUTCFullYear() + YEARS)
  // Never twice the same, since each key is new; positive, and without a zero in front, which DER forbids.
  const serial = createHash('sha256').update(spki).digest().subarray(0, 16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const extensions = der(
    SEQUENCE,
    extension(OID.basicConstraints, der(SEQUENCE)),
    extension(OID.subjectAltName, der(SEQUENCE, der(0x82, Buffer.from(host)))),
  )
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    name,
    der(SEQUENCE, time(nowMs), time(end.getTime())),
    name,
    spki,
    der(0xa3, extensions),
  )
  const signature = sign('sha256', body, privateKey)
  const base64 = der(SEQUENCE, body, algorithm, bits(signature)).toString('base64')
  const lines = base64.match(/.{1,64}/g)?.join('\n') ?? ''
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
