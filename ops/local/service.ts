/** The real services that Sluice works with, as this machine can offer them. */
export type ServiceKind = 'redis' | 'postgres' | 'rabbit' | 'consul'

/** How a service was had, in the order of preference. */
export type Way = 'environment' | 'docker' | 'program' | 'package'

/** A running service. One that was given by its URL belongs to somebody else: it can only be used. */
export interface Service {
  readonly kind: ServiceKind
  readonly way: Way
  /** With credentials; never printed. */
  readonly url: string
  /** Of the service's main process; undefined in a container or elsewhere. */
  readonly pid?: number | undefined
  /** What it prints; undefined in a container or elsewhere. */
  readonly logFile?: string | undefined
  /** Runs a program in its container and resolves with the output; undefined where it has none. */
  readonly execute?: ((command: readonly string[]) => Promise<string>) | undefined
  /** Whether its process runs; always true of one that is not ours to watch. */
  isRunning(): boolean
  /** Stops every process of the service where it stands (SIGSTOP), so that connections stay open unanswered. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Ends the service as a crash would (SIGKILL), and resolves once it is gone. Its files stay. */
  kill(): Promise<void>
  /** Kills it where it runs, and starts it again with the same URL and files. Resolves once it answers. */
  restart(): Promise<void>
  /** Ends the service and removes its files. */
  close(): Promise<void>
}

/** What a service is called in messages. */
export const NAMES: Readonly<Record<ServiceKind, string>> = {
  redis: 'Redis',
  postgres: 'PostgreSQL',
  rabbit: 'RabbitMQ',
  consul: 'Consul',
}
