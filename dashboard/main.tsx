import { render } from 'preact'
import { session } from './api/session.ts'
import { App } from './app.tsx'

const root = document.getElementById('app')
if (root) render(<App />, root)
void session.resume()
