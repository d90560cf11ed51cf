/** `node dist/ops/local/obtain.js`: has the programs of all services at hand, so that no test waits for a download. */
import { messageOf } from '../../foundation/errors.ts'
import { obtainChromium } from './chromium.ts'
import { obtain } from './find.ts'
import { obtainPrometheus } from './prometheus.ts'
import { obtainPythonService, PYTHON_SERVICES } from './python-service.ts'
import { obtainSample } from './sample.ts'
import { obtainSchemathesis } from './schemathesis.ts'
import { NAMES, type ServiceKind } from './service.ts'

// What is unpacked and built here is read by the services' user, whatever the umask of who types the command. Secrets
// have modes of their own.
process.umask(0o022)

for (const kind of Object.keys(NAMES) as ServiceKind[]) {
  const say = (line: string) => process.stderr.write(`${NAMES[kind]}: ${line}\n`)
  // Not the place to fail: the tests that need it say what they lack, the others run.
  await obtain(kind, 'SLUICE_TEST_', say).catch((error: unknown) => say(messageOf(error)))
}
const saySample = (line: string) => process.stderr.write(`sample service: ${line}\n`)
await obtainSample({ say: saySample }).catch((error: unknown) => saySample(messageOf(error)))
const sayPrometheus = (line: string) => process.stderr.write(`Prometheus: ${line}\n`)
await obtainPrometheus(sayPrometheus).catch((error: unknown) => sayPrometheus(messageOf(error)))
for (const name of PYTHON_SERVICES) {
  const say = (line: string) => process.stderr.write(`${name} service: ${line}\n`)
  await obtainPythonService(name, { say }).catch((error: unknown) => say(messageOf(error)))
}
const sayChromium = (line: string) => process.stderr.write(`Chromium: ${line}\n`)
await obtainChromium(sayChromium).catch((error: unknown) => sayChromium(messageOf(error)))
const saySchemathesis = (line: string) => process.stderr.write(`schemathesis: ${line}\n`)
await obtainSchemathesis(saySchemathesis).catch((error: unknown) => saySchemathesis(messageOf(error)))
