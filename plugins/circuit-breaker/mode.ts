/** What an operator has ordered; `auto` leaves the decision to the breaker. */
export type Mode = 'auto' | 'disabled' | 'metrics-only' | 'forced-open' | 'forced-closed'

export const MODES: readonly Mode[] = ['auto', 'disabled', 'metrics-only', 'forced-open', 'forced-closed']

export interface ModeSetting {
  /** Grows with every order; the latest stands. 0: none was ever given. */
  readonly sequence: number
  readonly mode: Mode
  /** How long it still holds, milliseconds; 0 for no end. */
  readonly remainingMs: number
  readonly actor: string
  readonly reason: string
}

export const AUTO: ModeSetting = { sequence: 0, mode: 'auto', remainingMs: 0, actor: '', reason: '' }
