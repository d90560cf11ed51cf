import type { Behaviour } from '../ops/local/sample.ts'

export interface Chapter {
  readonly name: string
  readonly seconds: number
  readonly behaviour: Behaviour
}

/** One request as its client saw it. */
export interface Sample {
  /** When it was sent, milliseconds from the beginning. */
  readonly atMs: number
  readonly tookMs: number
  readonly status: number
  /** By the breaker: the upstream was not asked. */
  readonly isRejected: boolean
}

const WIDTH = 960
const HEIGHT = 330
const LEFT = 46
const RIGHT = 12
const TOP = 52
const BOTTOM = 46
const BIN_MS = 500

/** What became of a request, from the bottom of the plot to its top; colours that differ in lightness, too. */
const KINDS = [
  {
    name: 'served',
    colour: '#2f7d4f',
    is: (s: Sample) => !s.isRejected && s.status < 500 && s.tookMs <= 500,
  },
  {
    name: 'failed or slow at the upstream',
    colour: '#c8372d',
    is: (s: Sample) => !s.isRejected && (s.status >= 500 || s.tookMs > 500),
  },
  { name: 'rejected at once by the breaker', colour: '#b9c0c8', is: (s: Sample) => s.isRejected },
] as const

/** Draws requests per second over time, stacked by what became of them. */
export function plotWalk(samples: readonly Sample[], chapters: readonly Chapter[]): string {
  const totalMs = chapters.reduce((sum, { seconds }) => sum + seconds * 1000, 0)
  const bins = Array.from({ length: Math.ceil(totalMs / BIN_MS) }, () => KINDS.map(() => 0))
  for (const sample of samples) {
    const bin = bins[Math.min(bins.length - 1, Math.floor(sample.atMs / BIN_MS))]!
    const kind = KINDS.findIndex(({ is }) => is(sample))
    if (kind >= 0) bin[kind]! += 1000 / BIN_MS
  }
  const most = Math.ceil(Math.max(...bins.map(bin => bin.reduce((a, b) => a + b, 0))) / 10) * 10
  const x = (ms: number) => LEFT + (ms / totalMs) * (WIDTH - LEFT - RIGHT)
  const y = (rate: number) => HEIGHT - BOTTOM - (rate / most) * (HEIGHT - TOP - BOTTOM)

  const bars = bins.flatMap((bin, i) => {
    let below = 0
    return KINDS.flatMap(({ colour }, kind) => {
      const rate = bin[kind]!
      if (rate === 0) return []
      const top = y(below + rate)
      const height = y(below) - top
      below += rate
      const width = x((i + 1) * BIN_MS) - x(i * BIN_MS) - 0.6
      return [
        `<rect x="${round(x(i * BIN_MS))}" y="${round(top)}" width="${round(width)}" height="${round(height)}" fill="${colour}"/>`,
      ]
    })
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="11" role="img" aria-label="Requests a second while the upstream fails, refuses, hangs and is slow">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    ...bands(chapters, x),
    ...[0, most / 2, most].map(
      rate =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(rate))}" y2="${round(y(rate))}" stroke="#d9dde2"/>` +
        `<text x="${LEFT - 6}" y="${round(y(rate) + 4)}" text-anchor="end" fill="#444">${rate}</text>`,
    ),
    ...bars,
    ...seconds(totalMs, x),
    ...legend(),
    `<text x="${LEFT}" y="${TOP - 6}" fill="#444">requests/s</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function bands(chapters: readonly Chapter[], x: (ms: number) => number): string[] {
  let fromMs = 0
  return chapters.flatMap(({ name, seconds, behaviour }) => {
    const from = x(fromMs)
    fromMs += seconds * 1000
    const width = x(fromMs) - from
    const isBad = behaviour.mode !== 'ok'
    return [
      `<rect x="${round(from)}" y="${TOP}" width="${round(width)}" height="${HEIGHT - TOP - BOTTOM}" fill="${isBad ? '#fdf0e6' : '#f6f9f6'}"/>`,
      `<text x="${round(from + width / 2)}" y="${HEIGHT - BOTTOM + 30}" text-anchor="middle" fill="${isBad ? '#9a3412' : '#444'}">${name}</text>`,
    ]
  })
}

function seconds(totalMs: number, x: (ms: number) => number): string[] {
  return Array.from({ length: Math.floor(totalMs / 10_000) + 1 }, (_, i) => i * 10_000).map(
    ms =>
      `<text x="${round(x(ms))}" y="${HEIGHT - BOTTOM + 14}" text-anchor="${ms === totalMs ? 'end' : 'middle'}" fill="#444">${ms / 1000} s</text>`,
  )
}

function legend(): string[] {
  let at = LEFT
  return KINDS.flatMap(({ name, colour }) => {
    const from = at
    at += 34 + name.length * 6.2
    return [
      `<rect x="${round(from)}" y="14" width="12" height="12" fill="${colour}"/>`,
      `<text x="${round(from + 18)}" y="24" fill="#222">${name}</text>`,
    ]
  })
}

const round = (value: number): number => Math.round(value * 100) / 100
