import type { Launch } from './child-guard.ts'
import type { Installation, Source } from './installation.ts'

/** How one kind of service is run and asked whether it is ready. */
export interface Recipe {
  readonly source: Source
  /** For Docker: the image, its port, the environment that sets the password, and the URL it then has. */
  readonly container: {
    readonly image: string
    readonly port: number
    env(password: string): Record<string, string>
    command?(password: string): string[]
    url(port: number, password: string): string
  }
  /** How many free ports it takes besides the one in its URL. */
  readonly morePorts: number
  /** Writes what the service needs into the folder, which the service's user owns. */
  prepare(installation: Installation, setup: Setup): Promise<Launch & { readonly url: string }>
  /** Resolves once the service answers at the URL, rejects when it does not yet. */
  probe(url: string): Promise<void>
}

export interface Setup {
  readonly folder: string
  /** The port in its URL. */
  readonly port: number
  readonly morePorts: readonly number[]
  readonly password: string
  /** Whether the files are to outlive the run: then writes must reach the disk. */
  readonly lasting: boolean
  /** A folder for what can be used again by later runs. */
  readonly cache: string
}
