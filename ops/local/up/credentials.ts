/**
 * The credentials of the sample consumers, which everybody may know: the platform of `make up` listens on the
 * loopback only. docker-compose.yml has the same; the environment may name others.
 */
export const TUTORIAL = {
  SLUICE_UP_JASON_KEY: 'jason',
  SLUICE_UP_EDDIE_KEY: 'eddie',
  SLUICE_UP_BRANDON_PASSWORD: 'brandon',
} as const

export type Credentials = Readonly<Record<keyof typeof TUTORIAL, string>>

export function sampleCredentials(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Credentials {
  const entries = Object.entries(TUTORIAL).map(([name, value]) => [name, env[name] || value])
  return Object.fromEntries(entries) as Credentials
}
