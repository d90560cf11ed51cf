import type { WriteStream } from 'node:tty'
import type { Environment } from '../../foundation/environment.ts'

/**
 * Whether colours are wanted: FORCE_COLOR decides where it is set (0 and false: none), then NO_COLOR, then whether the
 * output is a terminal that has them.
 */
export function wantsColour(
  output: Pick<NodeJS.WriteStream, 'isTTY'> & Partial<Pick<WriteStream, 'hasColors'>>,
  env: Environment,
): boolean {
  // As no-color.org has it, an empty NO_COLOR is none; to Node.js it is one.
  const { FORCE_COLOR: force = '', NO_COLOR: no = '', ...terminal } = env
  if (force !== '') return force !== '0' && force !== 'false'
  return no === '' && output.isTTY === true && output.hasColors?.(16, terminal) === true
}
