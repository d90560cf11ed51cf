import type { WriteStream } from 'node:tty'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether colours are wanted: a terminal that has them, and neither NO_COLOR nor TERM=dumb (Node.js reads both). */
export const wantsColour = (
  output: Pick<NodeJS.WriteStream, 'isTTY'> & Partial<Pick<WriteStream, 'hasColors'>>,
  env: Environment,
): boolean => output.isTTY === true && output.hasColors?.(16, { ...env }) === true
