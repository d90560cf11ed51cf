/** ioredis, by one door: about 90 modules, which the build puts into this one file (ops/build/bundle-packages.mjs). */
export { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
