import { freePorts } from '../../ops/local/ports.ts'

/** A TCP port of the loopback interface that nobody listens on at this moment. */
export const freePort = async (): Promise<number> => Number((await freePorts(1))[0])
