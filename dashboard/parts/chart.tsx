import { useEffect, useRef } from 'preact/hooks'
import type uPlot from 'uplot'

export interface Line {
  readonly label: string
  readonly values: readonly (number | null)[]
}

export interface ChartProps {
  readonly title: string
  readonly unit: string
  /** Seconds since the epoch. */
  readonly at: readonly number[]
  readonly lines: readonly Line[]
}

const HEIGHT = 190
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6']

/** Loaded with the first chart: the other pages do without. */
const loadPlot = () => import('uplot').then(({ default: Plot }) => Plot)

/** Lines over time. What it shows stands in a table too. */
export function Chart({ title, unit, at, lines }: ChartProps) {
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const labels = lines.map(({ label }) => label).join('\n')
  const data = [[...at], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
  const latest = useRef(data)
  latest.current = data
  useEffect(() => {
    let isGone = false
    const draw = async () => {
      const Plot = await loadPlot()
      const target = element.current
      if (isGone || !target) return
      plot.current?.destroy()
      plot.current = new Plot(optionsOf(target, labels.split('\n'), unit), latest.current, target)
    }
    void draw()
    const resized = new ResizeObserver(([entry]) => {
      if (entry) plot.current?.setSize({ width: entry.contentRect.width, height: HEIGHT })
    })
    if (element.current) resized.observe(element.current)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => void draw()
    scheme.addEventListener('change', redraw)
    return () => {
      isGone = true
      resized.disconnect()
      scheme.removeEventListener('change', redraw)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [labels, unit])
  useEffect(() => plot.current?.setData(data), [data])
  return (
    <figure class="chart">
      <figcaption>
        <h3>
          {title} <span class="muted">{unit}</span>
        </h3>
      </figcaption>
      <div ref={element} role="img" aria-label={`${title}, ${unit}: ${lines.map(describe).join('; ')}`} />
    </figure>
  )
}

function describe({ label, values }: Line): string {
  const last = values.findLast(value => value !== null)
  return `${label} ${last == null ? 'nothing yet' : Math.round(last * 10) / 10}`
}

function optionsOf(target: HTMLElement, labels: readonly string[], unit: string): uPlot.Options {
  const style = getComputedStyle(target)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--muted'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: target.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      {
        ...axis,
        size: 28,
        values: (_plot, at) => at.map(seconds => CLOCK.format(seconds * 1000)),
        space: 60,
      },
      { ...axis, size: 46 },
    ],
    series: [
      {},
      ...labels.map((label, i) => ({
        label: `${label} ${unit}`,
        stroke: colour(COLOURS[i % COLOURS.length] ?? '--accent'),
        width: 1.75,
        points: { show: false },
      })),
    ],
  }
}

/** Which line is which: once for all charts of a page. */
export function Legend({ labels }: { labels: readonly string[] }) {
  return (
    <ul class="legend" aria-label="Lines of the charts">
      {labels.map((label, i) => (
        <li key={label} class={`line-${(i % COLOURS.length) + 1}`}>
          {label}
        </li>
      ))}
    </ul>
  )
}
