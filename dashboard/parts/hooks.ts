import { useEffect, useRef, useState } from 'preact/hooks'
import type { Store } from '../api/store.ts'
import { stream } from '../api/stream.ts'

/** The value of a store, and a new drawing whenever it changes. */
export function useStore<T>(store: Store<T>): T {
  const [value, set] = useState(store.value)
  useEffect(() => {
    set(store.value)
    return store.watch(next => set(() => next))
  }, [store])
  return value
}

export interface Resource<T> {
  readonly value: T | undefined
  readonly error: Error | undefined
  readonly isLoading: boolean
  readonly reload: () => void
}

/** What `load` gives, asked for anew when `key` changes; the value before stays in sight meanwhile. */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<{ value?: T; error?: Error; key?: string }>({})
  const [turn, setTurn] = useState(0)
  const loader = useRef(load)
  loader.current = load
  useEffect(() => {
    const abort = new AbortController()
    loader.current(abort.signal).then(
      value => !abort.signal.aborted && setState({ value, key }),
      (error: Error) => !abort.signal.aborted && setState(before => ({ ...before, error, key })),
    )
    return () => abort.abort()
  }, [key, turn])
  const isLoading = state.key !== key
  return {
    value: state.value,
    error: isLoading ? undefined : state.error,
    isLoading,
    reload: () => setTurn(count => count + 1),
  }
}

/** Asks again every so often, and when the page is looked at again. */
export function useRepeated(work: () => void, everyMs: number): void {
  const latest = useRef(work)
  latest.current = work
  useEffect(() => {
    const again = () => {
      if (document.visibilityState === 'visible') latest.current()
    }
    const timer = setInterval(again, everyMs)
    document.addEventListener('visibilitychange', again)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', again)
    }
  }, [everyMs])
}

/** The title of the page, in the browser's tab as well. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Sluice`
  }, [title])
}

/** Tells of events whose type begins like this, at most twice a second; and when some were missed. */
export function useLive(prefix: string, work: () => void): void {
  const latest = useRef(work)
  latest.current = work
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined
        latest.current()
      }, SOON_MS)
    }
    const stop = stream.watch(({ type }) => type.startsWith(prefix) && soon())
    const stopGaps = stream.gaps.watch(soon)
    return () => {
      stop()
      stopGaps()
      clearTimeout(timer)
    }
  }, [prefix])
}

/** Events that come together are answered with one question. */
const SOON_MS = 150
