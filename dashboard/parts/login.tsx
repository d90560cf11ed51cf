import { useState } from 'preact/hooks'
import { session } from '../api/session.ts'

/** Name and password. @param name of who was logged in, where the session has ended */
export function Login({ name: known = '' }: { name?: string }) {
  const [name, setName] = useState(known)
  const [password, setPassword] = useState('')
  const [error, setError] = useState('')
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setError('')
    await session.logIn(name, password).catch((problem: Error) => setError(problem.message))
    setPassword('')
    setBusy(false)
  }
  return (
    <form class="login" onSubmit={event => void submit(event)}>
      <label>
        Name
        <input
          name="username"
          autoComplete="username"
          required
          autoFocus={known === ''}
          readOnly={known !== ''}
          value={name}
          onInput={event => setName(event.currentTarget.value)}
        />
      </label>
      <label>
        Password
        <input
          name="password"
          type="password"
          autoComplete="current-password"
          required
          autoFocus={known !== ''}
          value={password}
          onInput={event => setPassword(event.currentTarget.value)}
        />
      </label>
      {error !== '' && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      <button type="submit" class="primary" disabled={isBusy}>
        {isBusy ? 'Logging in…' : 'Log in'}
      </button>
    </form>
  )
}
