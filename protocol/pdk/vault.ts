/** `kong.vault` */
import { text } from './checks.ts'
import { isTrue } from './decode.ts'
import { EVERYWHERE } from './phases.ts'
import { call } from './row.ts'

export const vault = {
  /** The secret behind a reference such as `{vault://env/name}`. */
  get: call<(reference: string) => Promise<string | undefined>>()({
    phases: EVERYWHERE,
    kind: 'readEachTime',
    args: { reference: text },
  }),
  /** Whether the string is such a reference. */
  isReference: call<(reference: string) => Promise<boolean>>()({
    phases: EVERYWHERE,
    args: { reference: text },
    decode: isTrue,
  }),
}
