/** The parts of an object that a test needs. */
type Parts<T> = {
  readonly [K in keyof T]?: T[K] extends (...args: never[]) => unknown ? unknown : Parts<T[K]>
}

/**
 * Stands for a whole object (a PDK, a host) of which the code under test uses these parts only: any other is undefined
 * there, and the test fails.
 */
export const partial = <T>(parts: Parts<T>): T => parts as T
