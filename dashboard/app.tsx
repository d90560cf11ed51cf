import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import { session } from './api/session.ts'
import { stream } from './api/stream.ts'
import { type Place, readPlace } from './model/place.ts'
import { PageAt } from './pages/pages.tsx'
import { Dialog, focusHeading } from './parts/dialog.tsx'
import { useStore } from './parts/hooks.ts'
import { Login } from './parts/login.tsx'
import { Shell } from './parts/shell.tsx'

export function App() {
  const state = useStore(session.state)
  if (state.phase === 'asking')
    return (
      <p class="entrance" role="status">
        Connecting to the manager…
      </p>
    )
  if (state.phase === 'out')
    return (
      <main class="entrance">
        <h1>Sluice</h1>
        <p class="lead">Log in to see and change the gateway.</p>
        <Login />
      </main>
    )
  return <Inside who={state.who} isExpired={state.isExpired} />
}

function Inside({ who, isExpired }: { who: Parameters<typeof Shell>[0]['who']; isExpired: boolean }) {
  const place = usePlace()
  useEffect(() => stream.start(), [])
  const [here = ''] = place.path
  return (
    <>
      <Shell who={who} here={here}>
        <PageAt key={place.path.join('/')} place={place} />
      </Shell>
      {isExpired && (
        <Dialog title="Your session has ended">
          <p>Log in again to continue. What you typed is kept.</p>
          <Login name={who.name} />
        </Dialog>
      )}
    </>
  )
}

function usePlace(): Place {
  const [place, setPlace] = useState(() => readPlace(location.hash))
  useEffect(() => {
    const follow = () => {
      const next = readPlace(location.hash)
      setPlace(next)
      window.scrollTo(0, 0)
    }
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  // Keyboard and screen reader go on at the heading of the new page, unless a field of it took the focus.
  const path = place.path.join('/')
  useLayoutEffect(() => {
    const { activeElement: active } = document
    if (!active || active === document.body || active.tagName === 'A') focusHeading(document)
  }, [path])
  return place
}
