import { useState } from 'preact/hooks'
import { session } from '../api/session.ts'
import { TextField, useSubmit } from '../parts/ask.tsx'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'

/** One's own password. */
export function PasswordPage() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [isDone, setDone] = useState(false)
  const { error, submit } = useSubmit(async () => {
    setDone(false)
    await session.changePassword(current, next)
    setDone(true)
    setCurrent('')
    setNext('')
  })
  return (
    <Page title="Your password" lead="A new password ends all your other sessions. Your tokens stay valid.">
      {isDone && <Notice tone="good">Your password was changed.</Notice>}
      <Trouble error={error} />
      <form class="panel apply narrow" onSubmit={submit}>
        <TextField label="Current password" password="current-password" value={current} onType={setCurrent} />
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
