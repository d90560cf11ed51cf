/** What PDK calls do in the local gateway, beside what they did in a real Kong 3.9.3 (kong-effects/answers.json). */
import { effectConfiguration, effectSettings, runCase, startEffectUpstream } from '../support/effects.ts'
import { EFFECT_CASES } from './kong-effects/cases.ts'
import { describeRecorded } from './recorded-cases.ts'

describeRecorded('a call of the PDK does in the local gateway what it does in Kong', {
  answers: 'kong-effects/answers.json',
  cases: EFFECT_CASES,
  startUpstream: startEffectUpstream,
  settings: effectSettings,
  configure: ({ port }) => effectConfiguration(port),
  run: (one, { gateway, puppet, upstream }) => runCase(one, gateway.proxyUrl, puppet, upstream),
})
