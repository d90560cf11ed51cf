/** What TLS and HTTP/2 make of requests in the local gateway, beside what they made in a real Kong 3.9.3. */
import { startEffectUpstream } from '../support/effects.ts'
import { runTlsCase, TLS_CASES, tlsConfiguration, tlsSettings } from './kong-tls/cases.ts'
import { describeRecorded } from './recorded-cases.ts'

describeRecorded('a request over TLS is in the local gateway what it is in Kong', {
  answers: 'kong-tls/answers.json',
  cases: TLS_CASES,
  startUpstream: startEffectUpstream,
  settings: socket => ({ ...tlsSettings(socket), KONG_PROXY_LISTEN: '127.0.0.1:0 ssl http2' }),
  configure: ({ port }) => tlsConfiguration(port),
  run: (one, { gateway: { proxyPort: port }, puppet, upstream }) =>
    runTlsCase(one, { port, puppet, upstream }),
})
