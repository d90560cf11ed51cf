/** For the plugins that ship with Sluice; no part of what an author imports. */
export { ipv6Groups } from '../foundation/ipv6.ts'
