import { useState } from 'preact/hooks'
import { session } from '../api/session.ts'
import { TextField } from '../parts/ask.tsx'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'

/** One's own password. */
export function PasswordPage() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [error, setError] = useState<Error>()
  const [isDone, setDone] = useState(false)
  const submit = async () => {
    setDone(false)
    setError(undefined)
    try {
      await session.changePassword(current, next)
      setDone(true)
      setCurrent('')
      setNext('')
    } catch (problem) {
      setError(problem as Error)
    }
  }
  return (
    <Page title="Your password" lead="A new password ends all your other sessions. Your tokens stay good.">
      {isDone && <Notice tone="good">Your password is changed.</Notice>}
      <Trouble error={error} />
      <form
        class="panel apply narrow"
        onSubmit={event => {
          event.preventDefault()
          void submit()
        }}
      >
        <TextField label="Present password" password="current-password" value={current} onType={setCurrent} />
        <TextField
          label="New password"
          hint="at least 12 characters"
          password="new-password"
          value={next}
          onType={setNext}
        />
        <div class="actions">
          <button type="submit" class="primary">
            Change password
          </button>
        </div>
      </form>
    </Page>
  )
}
