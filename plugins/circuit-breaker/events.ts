import { type EventType, Type } from '../../sdk/sdk.ts'

const text = (description: string) => Type.String({ description })
const count = (description: string) => Type.Integer({ minimum: 0, description })

const common = {
  breaker: text('service:<id> or route:<id>'),
  name: text('name of the service or route; its id where it has none'),
  reach: Type.Union([Type.Literal('cluster'), Type.Literal('node')], {
    description: 'node: this node alone, on its own evidence',
  }),
  generation: count('grows with every change of state'),
}

const cause = Type.Union(
  ['failure-rate', 'slow-call-rate', 'connection-failures', 'probe-failed'].map(name => Type.Literal(name)),
)

/** What the plugin tells the world. */
export const BREAKER_EVENTS: readonly EventType[] = [
  {
    type: 'circuit.opened.v1',
    doc: 'A circuit breaker has opened: requests are rejected.',
    data: Type.Object({
      ...common,
      cause,
      open_ms: count('how long it stays open'),
      attempt: count('how often a recovery has failed since it was last closed'),
      calls: count('calls in the window'),
      failures: count('failed ones among them'),
      slow: count('slow ones among them'),
      nodes: count('nodes with traffic'),
      witnesses: count('nodes that saw the trouble'),
    }),
  },
  {
    type: 'circuit.half-opened.v1',
    doc: 'A circuit breaker lets probes through.',
    data: Type.Object(common),
  },
  {
    type: 'circuit.recovering.v1',
    doc: 'The probes of a circuit breaker have succeeded: it admits a growing share of the requests.',
    data: Type.Object(common),
  },
  {
    type: 'circuit.closed.v1',
    doc: 'A circuit breaker admits all requests again.',
    data: Type.Object(common),
  },
  {
    type: 'circuit.probe-lost.v1',
    doc: 'A probe of a circuit breaker had no result in time: its permit goes to another, and a late result still counts.',
    data: Type.Object({ ...common, lost: count('probes') }),
  },
  {
    type: 'circuit.forced.v1',
    doc: 'An operator has ordered the mode of a circuit breaker.',
    data: Type.Object({
      breaker: common.breaker,
      mode: Type.Union(
        ['auto', 'disabled', 'metrics-only', 'forced-open', 'forced-closed'].map(name => Type.Literal(name)),
      ),
      actor: text('who ordered it'),
      reason: text('why'),
      expires_in_ms: count('how long it holds; 0: until it is changed'),
    }),
  },
]
