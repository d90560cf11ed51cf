/** For plugins that write lines of their own, such as `request-log`. */
export { lineStream } from '../foundation/log.ts'
