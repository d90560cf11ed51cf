/** One line of Prometheus' text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** Name and labels as they stand there: the same in each reading. */
  readonly series: string
}

const NAME = /^[a-zA-Z_:][\w:]*/
const LABEL = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y
const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' }

/**
 * Reads the samples of wanted metrics from Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Comments and lines that are none are passed over.
 *
 * @param isWanted by name; lines of other metrics cost next to nothing.
 */
export function* readExposition(text: string, isWanted: (name: string) => boolean): Generator<Sample> {
  for (const line of text.split('\n')) {
    const name = NAME.exec(line)?.[0]
    if (name === undefined || !isWanted(name)) continue
    const sample = readSample(line, name)
    if (sample) yield sample
  }
}

function readSample(line: string, name: string): Sample | undefined {
  const labels: Record<string, string> = {}
  let end = name.length
  if (line[end] === '{') {
    LABEL.lastIndex = end + 1
    for (let match = LABEL.exec(line); match; match = LABEL.exec(line)) {
      end = LABEL.lastIndex
      labels[match[1] ?? ''] = (match[2] ?? '').replace(/\\["\\n]/g, escaped => ESCAPES[escaped] ?? escaped)
    }
    const close = line.indexOf('}', end)
    if (close < 0) return undefined
    end = close + 1
  }
  const [text = ''] = line.slice(end).trim().split(/\s+/)
  const value = readValue(text)
  return Number.isNaN(value) ? undefined : { name, labels, value, series: line.slice(0, end) }
}

function readValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  return text === '' ? Number.NaN : Number(text)
}
