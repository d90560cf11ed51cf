import type { Exchange, Method, Protocol, ReplySink } from '../../protocol/calls.ts'

/** An event's way to a Kong that answers from a table, in memory; `undefined` in it is Kong's nil. */
export class ScriptedExchange implements Exchange {
  readonly protocol: Protocol
  /** Calls in their order, each with its arguments; `flush` and `end` are marked. */
  readonly said: (readonly [method: string, ...args: unknown[]])[] = []
  readonly #answers: Readonly<Partial<Record<Method, unknown>>>
  #waiting: { readonly method: Method; readonly sink: ReplySink }[] = []
  readonly #answerAfterMs: number

  /** @param answerAfterMs how long Kong thinks; 0: not at all; infinite: it never answers */
  constructor(
    answers: Readonly<Partial<Record<Method, unknown>>> = {},
    protocol: Protocol = 'ProtoBuf:1',
    answerAfterMs = 0,
  ) {
    this.#answers = answers
    this.#answerAfterMs = answerAfterMs
    this.protocol = protocol
  }

  get methods(): string[] {
    return this.said.map(([method]) => method)
  }

  call(method: Method, args: readonly unknown[], sink?: ReplySink): void {
    this.said.push([method, ...args])
    if (sink) this.#waiting.push({ method, sink })
  }

  flush(): void {
    this.said.push(['flush'])
    this.#answer()
  }

  #answer(): void {
    if (this.#answerAfterMs === Number.POSITIVE_INFINITY) return
    const asked = this.#waiting.splice(0)
    const answer = () => {
      for (const { method, sink } of asked) sink.reply(this.#answers[method])
    }
    if (this.#answerAfterMs > 0) setTimeout(answer, this.#answerAfterMs)
    else answer()
  }

  /** Kong closes the connection, and leaves unanswered what an infinite time would not have answered either. */
  close(): void {
    for (const { sink } of this.#waiting.splice(0)) sink.lost?.('Kong closed the connection')
  }

  /** Kong answers what was written with the end, too. */
  end(): void {
    this.said.push(['end'])
    setImmediate(() => this.#answer())
  }
}
