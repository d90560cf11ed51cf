import { statSync } from 'node:fs'
import path from 'node:path'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import { readKeyFolder, readManifest } from '../../plugins/upstream-token/key-folder.ts'
import { keyStates } from '../../plugins/upstream-token/key-states.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

const AREA = 'upstream token'
const OLD_AFTER_S = 180 * 86_400

/** The keys that sign upstream tokens: readable, private, not too old, and published. */
export const checkToken: Check = async ({ settings: { tokenKeysDir: folder, jwksListen } }) => {
  if (folder === undefined)
    return [ok(AREA, 'SLUICE_TOKEN_KEYS_DIR is not set: upstream-token is not in use')]
  try {
    const findings = [...keyFindings(folder, systemClock.now() / 1_000), ...openFiles(folder)]
    if (jwksListen === undefined)
      findings.push(
        warn(
          AREA,
          'the public keys are not served: SLUICE_JWKS_LISTEN is off',
          'Set it to an address that the services reach, or hand them the keys yourself.',
        ),
      )
    return findings
  } catch (error) {
    return [fail(AREA, messageOf(error), 'Make a key with `sluice token rotate`, or correct the folder.')]
  }
}

function keyFindings(folder: string, now: number): Finding[] {
  const states = keyStates(readKeyFolder(folder), now)
  const signing = states.find(({ state }) => state === 'signing')
  const findings = [ok(AREA, `${states.length} keys; ${signing?.kid} signs`)]
  if (signing && now - signing.notBefore > OLD_AFTER_S)
    findings.push(
      warn(
        AREA,
        `the key that signs is ${Math.floor((now - signing.notBefore) / 86_400)} days old`,
        'Rotate keys regularly: `sluice token rotate`.',
      ),
    )
  return findings
}

/** Whoever reads a private key can make tokens. */
function openFiles(folder: string): Finding[] {
  return readManifest(folder).flatMap(({ file }) => {
    const { mode } = statSync(path.join(folder, file))
    if ((mode & 0o004) === 0) return []
    return [warn(AREA, `every user of this machine can read ${file}`, `chmod 600 ${path.join(folder, file)}`)]
  })
}
