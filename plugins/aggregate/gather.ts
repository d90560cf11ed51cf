/** Asks for the parts: each as soon as what it needs is there. */
import { messageOf, SluiceError, type Timers } from '../../sdk/sdk.ts'
import { failed, type PartAnswer, type PartOutcome, pickFrom, readPart } from './outcome.ts'
import type { PlannedPart } from './plan.ts'
import { fill, type Placeholder } from './template.ts'

export interface Gathering {
  readonly parts: readonly PlannedPart[]
  /** An argument of the request, or a group of its path. */
  readonly ofRequest: (placeholder: Extract<Placeholder, { kind: 'query' | 'capture' }>) => unknown
  readonly call: (target: string, timeoutMs: number) => Promise<PartAnswer>
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
  readonly timeoutMs: number
  /** Of all parts together. */
  readonly maxBytes: number
}

/** @returns the outcome of each part, by its name, at the latest when the time is over */
export async function gather(gathering: Gathering): Promise<ReadonlyMap<string, PartOutcome>> {
  return new Gatherer(gathering).run()
}

class Gatherer {
  readonly #gathering: Gathering
  readonly #startedAt: number
  readonly #outcomes = new Map<string, Promise<PartOutcome>>()
  readonly #known = new Map<string, PartOutcome>()
  #bytesLeft: number

  constructor(gathering: Gathering) {
    this.#gathering = gathering
    this.#startedAt = gathering.now()
    this.#bytesLeft = gathering.maxBytes
  }

  async run(): Promise<ReadonlyMap<string, PartOutcome>> {
    // There is no circle in them, so each promise is there before it is waited for.
    const waiting = [...this.#gathering.parts]
    while (waiting.length > 0) {
      const index = waiting.findIndex(({ needs }) => needs.every(name => this.#outcomes.has(name)))
      const [part] = waiting.splice(Math.max(0, index), 1)
      if (part) this.#outcomes.set(part.name, this.#note(part))
    }
    await Promise.all(this.#outcomes.values())
    return this.#known
  }

  async #note(part: PlannedPart): Promise<PartOutcome> {
    const outcome = await this.#ask(part)
    this.#known.set(part.name, outcome)
    return outcome
  }

  async #ask(part: PlannedPart): Promise<PartOutcome> {
    for (const name of part.needs) {
      const needed = await this.#outcomes.get(name)
      if (needed?.kind === 'failed')
        return failed(needed.status, `needs ${name}, which ${needed.detail}`, needed.headers)
    }
    const filled = fill(part.template, placeholder => this.#valueOf(placeholder))
    if ('fault' in filled)
      return failed(filled.source === 'part' ? 502 : 400, `cannot be asked for: ${filled.fault}`)
    const { now, timeoutMs } = this.#gathering
    const leftMs = Math.min(part.timeoutMs, timeoutMs - (now() - this.#startedAt))
    if (leftMs <= 0) return failed(504, 'was not asked for in time')
    try {
      return this.#read(await this.#call(filled.target, Math.ceil(leftMs)), part)
    } catch (error) {
      return failure(error)
    }
  }

  /** A busy Kong says late what the call needs of the request, and only then does the time of the call itself begin. */
  async #call(target: string, leftMs: number): Promise<PartAnswer> {
    const { call, timers } = this.#gathering
    let callOff = () => {}
    const late = new Promise<never>((_, reject) => {
      callOff = timers.after(leftMs, () =>
        reject(new SluiceError('SLUICE_FETCH_TIMEOUT', `${target} was not answered within ${leftMs} ms`)),
      )
    })
    try {
      return await Promise.race([call(target, leftMs), late])
    } finally {
      callOff()
    }
  }

  #read(answer: PartAnswer, part: PlannedPart): PartOutcome {
    const outcome = readPart(answer, part.pick, this.#bytesLeft)
    if (outcome.kind === 'ok') this.#bytesLeft -= answer.body.length
    return outcome
  }

  #valueOf(placeholder: Placeholder): unknown {
    if (placeholder.kind !== 'part') return this.#gathering.ofRequest(placeholder)
    const outcome = this.#known.get(placeholder.name)
    return outcome?.kind === 'ok' ? pickFrom(outcome.value, placeholder.fields) : undefined
  }
}

/** @throws what is no failure of a part: a plugin server that cannot call Kong's proxy at all */
function failure(error: unknown): PartOutcome {
  if (error instanceof SluiceError && error.code === 'SLUICE_FETCH_TIMEOUT')
    return failed(504, 'did not answer in time')
  if (error instanceof SluiceError && error.code === 'SLUICE_LOOPBACK_REFUSED') throw error
  const isTooLarge = /maxResponseSize|exceeds/i.test(messageOf(error))
  return failed(502, isTooLarge ? 'is too large' : 'could not be reached')
}
