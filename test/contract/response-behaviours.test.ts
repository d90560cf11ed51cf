/** What buffering for the response phase does in the local gateway, beside what it does in a real Kong 3.9.3. */
import { freePort } from '../support/ports.ts'
import {
  BEHAVIOURS,
  behaviourConfiguration,
  behaviourSettings,
  runBehaviour,
  startBehaviourUpstream,
} from './kong-response/behaviours.ts'
import { describeRecorded } from './recorded-cases.ts'

describeRecorded('an answer that waits for the response phase is in the local gateway what it is in Kong', {
  answers: 'kong-response/behaviours.json',
  cases: BEHAVIOURS,
  startUpstream: startBehaviourUpstream,
  settings: behaviourSettings,
  configure: async ({ port }) => behaviourConfiguration(port, await freePort()),
  run: (one, { gateway, puppet }) => runBehaviour(one, gateway.proxyUrl, puppet),
})
