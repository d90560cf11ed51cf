import { useState } from 'preact/hooks'
import type { FormFault } from '../model/form.ts'

/** What is wrong with the form, at its fields. */
export function useRefusal() {
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map())
  const [problem, setProblem] = useState<Error>()
  return {
    faults,
    problem,
    clear() {
      setFaults(new Map())
      setProblem(undefined)
    },
    show(entries: readonly FormFault[], error?: Error) {
      setFaults(new Map(entries.map(({ pointer, detail }) => [pointer, withoutPath(pointer, detail)])))
      setProblem(error)
      requestAnimationFrame(() => focusAt(entries[0]?.pointer ?? ''))
    },
  }
}

/** A sentence that stands at its field need not name it. */
function withoutPath(pointer: string, detail: string): string {
  const path = `${pointer.slice(1).replaceAll('/', '.')}: `
  return detail.startsWith(path) ? detail.slice(path.length) : detail
}

/** Puts the focus into the field that is wrong, or the one around it; else what is said above the form into sight. */
function focusAt(pointer: string): void {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const field = document.querySelector(`[data-pointer="${CSS.escape(at)}"]`)
    const input = field?.querySelector<HTMLElement>('input, select, textarea, button')
    if (!input) continue
    input.scrollIntoView({ block: 'center' })
    input.focus({ preventScroll: true })
    return
  }
  document.querySelector('main [role="alert"]')?.scrollIntoView({ block: 'center' })
}
