/** The answers that the gateway gives by itself, as components of the merged document. */
import type { GatewayStatus } from '../plugin-effects.ts'
import type { Node } from './node.ts'

const PROBLEM = 'GatewayProblem'
const HEADERS: Readonly<Record<string, Node>> = {
  'Retry-After': { description: 'Seconds until another try makes sense', schema: { type: 'integer' } },
}

const TEXTS: Readonly<Record<GatewayStatus, readonly [name: string, description: string]>> = {
  401: ['GatewayUnauthorized', 'The gateway does not know who asks: the credential is missing or wrong.'],
  403: ['GatewayForbidden', 'The gateway knows who asks, and does not allow it.'],
  413: ['GatewayTooLarge', 'The body is larger than the gateway takes.'],
  429: ['GatewayTooManyRequests', 'A limit of the gateway is used up.'],
  503: [
    'GatewayUnavailable',
    'The gateway does not ask the service now: its circuit breaker is open, or it sheds load.',
  ],
}

export const answerReference = (status: GatewayStatus): Node => ({
  $ref: `#/components/responses/${TEXTS[status][0]}`,
})

/** Plugins of Sluice answer with problem details, those of Kong with a message. */
export const GATEWAY_CONTENT: Node = Object.fromEntries(
  ['application/problem+json', 'application/json'].map(type => [
    type,
    { schema: { $ref: `#/components/schemas/${PROBLEM}` } },
  ]),
)

export const GATEWAY_COMPONENTS = {
  schemas: {
    [PROBLEM]: {
      type: 'object',
      description: 'Problem details (RFC 9457), or `message` alone where a plugin of Kong refuses.',
      properties: {
        type: { type: 'string' },
        title: { type: 'string' },
        status: { type: 'integer' },
        detail: { type: 'string' },
        message: { type: 'string' },
      },
    },
  },
  responses: Object.fromEntries(
    Object.entries(TEXTS).map(([status, [name, description]]) => [
      name,
      {
        description,
        ...(['429', '503'].includes(status) && { headers: HEADERS }),
        content: GATEWAY_CONTENT,
      },
    ]),
  ),
} as const satisfies Record<string, Node>
