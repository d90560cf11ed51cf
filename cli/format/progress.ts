export interface Progress {
  /** One of the steps is done. */
  step(text: string): void
  /** Something else happened. */
  note(text: string): void
  end(): void
}

/** Least time between two redraws of a terminal's line, milliseconds. */
const REDRAW_MS = 50

/** One moving line on a terminal, one line a step elsewhere; silent where the output is JSON. */
export function createProgress(
  total: number,
  output: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>,
  isSilent: boolean,
): Progress {
  if (isSilent) return { step() {}, note: text => void process.stderr.write(`${text}\n`), end() {} }
  if (!output.isTTY)
    return {
      step: text => void output.write(`${text}\n`),
      note: text => void output.write(`${text}\n`),
      end() {},
    }
  let done = 0
  let drawnAtMs = Number.NEGATIVE_INFINITY
  const clear = '\r\u001b[K'
  const draw = (text: string) => {
    const line = `${done}/${total} ${text}`
    output.write(clear + line.slice(0, (output.columns ?? 80) - 1))
  }
  return {
    step(text) {
      done++
      const now = performance.now()
      if (done < total && now - drawnAtMs < REDRAW_MS) return
      drawnAtMs = now
      draw(text)
    },
    note: text => void output.write(`${clear}${text}\n`),
    end: () => void output.write(clear),
  }
}
