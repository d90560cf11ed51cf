import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
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
  /** Resolves when it is read, or could not be. */
  readonly reload: () => Promise<void>
}

interface Loaded<T> {
  readonly value?: T
  readonly error?: Error
  readonly key?: string
}

/** What `load` gives, asked for anew when `key` changes; the value before stays in sight meanwhile. */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<Loaded<T>>({})
  const [turn, setTurn] = useState(0)
  const loader = useRef(load)
  loader.current = load
  const waiting = useRef<(() => void)[]>([])
  // Not `useEffect`, which waits for two frames: a list that is searched would lag behind the keys.
  useLayoutEffect(() => {
    const settle = (next: (before: Loaded<T>) => Loaded<T>) => {
      if (abort.signal.aborted) return
      setState(next)
      for (const go of waiting.current.splice(0)) go()
    }
    const abort = new AbortController()
    loader.current(abort.signal).then(
      value => settle(() => ({ value, key })),
      (error: Error) => settle(before => ({ ...before, error, key })),
    )
    return () => abort.abort()
  }, [key, turn])
  const isLoading = state.key !== key
  return {
    value: state.value,
    error: isLoading ? undefined : state.error,
    isLoading,
    reload: () =>
      new Promise(resolve => {
        waiting.current.push(resolve)
        setTurn(count => count + 1)
      }),
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
