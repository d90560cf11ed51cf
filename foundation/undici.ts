/** undici, by one door: about 130 modules, which the build puts into this one file (ops/build/bundle-packages.mjs). */
export { Agent, type Dispatcher, fetch, Pool, request } from 'undici'
