/** What of the platform a person may choose by the environment. */
type Environment = Readonly<Record<string, string | undefined>>

/** SLUICE_UP_SAMPLES=off leaves out users, products and what they alone need. */
export const wantsSamples = (env: Environment = process.env) => env.SLUICE_UP_SAMPLES !== 'off'

/** SLUICE_UP_OBSERVE=on adds Prometheus. */
export const wantsPrometheus = (env: Environment = process.env) => env.SLUICE_UP_OBSERVE === 'on'
