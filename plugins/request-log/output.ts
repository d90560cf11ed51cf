/** Where the lines go: standard output, or a file that is rotated by its size. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { lineStream } from '../../sdk/line-stream.ts'
import { messageOf } from '../../sdk/sdk.ts'

/** Lines wait for each other up to this many bytes, or milliseconds. */
const GATHER_BYTES = 8_192
const GATHER_MS = 250
/** Lines in memory while the disk takes none, bytes. */
const MAX_WAITING_BYTES = 8 * 1_048_576
const MODE = 0o640

export interface OutputOptions {
  /** Undefined: standard output. */
  readonly file: string | undefined
  /** Size at which the file is rotated, bytes. */
  readonly maxBytes: number
  /** Rotated files that are kept: `file.1` is the newest. */
  readonly keep: number
  /** Called with the reason when lines can't be written, with undefined when they can again. */
  readonly onFault: (reason: string | undefined) => void
}

export interface Output {
  /** @returns whether it was taken: not where too many wait already, or nothing can be written at all */
  write(line: string): boolean
  close(): Promise<void>
}

export function openOutput(options: OutputOptions): Output {
  return options.file === undefined ? new StandardOutput() : new RotatingFile(options.file, options)
}

type Destination = ReturnType<typeof lineStream>

/** Written synchronously, as the server's own log is, so that no line of that comes into the middle of one of these. */
class StandardOutput implements Output {
  readonly #destination: Destination = lineStream({
    dest: 1,
    sync: true,
    minLength: GATHER_BYTES,
    periodicFlush: GATHER_MS,
  })

  write(line: string): boolean {
    this.#destination.write(line)
    return true
  }

  async close(): Promise<void> {
    this.#destination.flushSync()
  }
}

class RotatingFile implements Output {
  readonly #file: string
  readonly #options: OutputOptions
  #destination: Destination | undefined
  #bytes = 0
  #hasFault = false
  #isDropped = false

  constructor(file: string, options: OutputOptions) {
    this.#file = file
    this.#options = options
    this.#destination = this.#open()
  }

  write(line: string): boolean {
    this.#destination ??= this.#open()
    if (!this.#destination) return false
    // The stream says that it drops a line before this returns.
    this.#isDropped = false
    this.#destination.write(line)
    if (this.#isDropped) return false
    this.#bytes += Buffer.byteLength(line)
    if (this.#bytes >= this.#options.maxBytes) this.#rotate(this.#destination)
    return true
  }

  close(): Promise<void> {
    const destination = this.#destination
    if (!destination) return Promise.resolve()
    return new Promise(resolve => {
      destination.once('close', resolve)
      destination.once('error', () => {
        // Else what it could not write is tried at the process's exit again, and again: that would never be over.
        destination.destroy()
        resolve()
      })
      destination.end()
    })
  }

  /** Undefined where the file cannot be opened: the next line tries again. */
  #open(): Destination | undefined {
    try {
      mkdirSync(path.dirname(this.#file), { recursive: true })
      // The stream opens it behind our back; where that fails it takes lines all the same, and never ends.
      closeSync(openSync(this.#file, 'a', MODE))
    } catch (error) {
      this.#noteFault(messageOf(error))
      return undefined
    }
    this.#bytes = sizeOf(this.#file)
    const destination = lineStream({
      dest: this.#file,
      append: true,
      sync: false,
      minLength: GATHER_BYTES,
      maxLength: MAX_WAITING_BYTES,
      periodicFlush: GATHER_MS,
      mode: MODE,
    })
    destination.on('drop', () => {
      this.#isDropped = true
    })
    destination.on('error', (error: unknown) => this.#noteFault(messageOf(error)))
    destination.on('write', () => this.#noteFault(undefined))
    return destination
  }

  /** Another process may write to the file too, and have rotated it: then this one only opens it anew. */
  #rotate(destination: Destination): void {
    try {
      if (sizeOf(this.#file) >= this.#options.maxBytes / 2) this.#shift()
      destination.reopen(this.#file)
      this.#bytes = sizeOf(this.#file)
    } catch (error) {
      this.#noteFault(messageOf(error))
      // Not again at each line, which would say so each time.
      this.#bytes = this.#options.maxBytes / 2
    }
  }

  #shift(): void {
    const { keep } = this.#options
    for (let n = keep - 1; n >= 1; n--)
      if (existsSync(`${this.#file}.${n}`)) renameSync(`${this.#file}.${n}`, `${this.#file}.${n + 1}`)
    renameSync(this.#file, `${this.#file}.1`)
  }

  #noteFault(reason: string | undefined): void {
    if (this.#hasFault === (reason !== undefined)) return
    this.#hasFault = reason !== undefined
    this.#options.onFault(reason)
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
