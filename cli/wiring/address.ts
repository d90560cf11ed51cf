import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Address } from '../../foundation/http-listener.ts'
import { parseAddress } from '../../foundation/settings.ts'

/**
 * Reads HOST:PORT of an option; `off` is no address.
 *
 * @throws SluiceError SLUICE_CLI_USAGE with the option's name for anything else.
 */
export function readAddress(option: string, text: string): Address | undefined {
  if (text === 'off') return undefined
  try {
    return parseAddress(text)
  } catch (error) {
    throw new SluiceError('SLUICE_CLI_USAGE', `${option}: ${messageOf(error)}`)
  }
}
