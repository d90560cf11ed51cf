import { Create } from 'typebox/value'
import { type Config, configSchema } from '../plugins/circuit-breaker/config.ts'

/** The configuration that Kong fills in when nothing is set. */
export const standardConfig = (values: Partial<Config> = {}): Config => ({
  ...(Create(configSchema) as Config),
  ...values,
})
