/** What is loaded: plugin servers, or a Kong with a limiter of its own. */
export type Outcome = 'admitted' | 'rejected' | 'failed'

/** One connection, for one request at a time. */
export interface Client {
  send(): Promise<Outcome>
  /** False once it can serve no other request. */
  readonly isOpen: boolean
  close(): void
}

/** Where the budgets of the routes come from. */
export interface Route {
  readonly name: string
  /** How much an hour admits. */
  readonly requests: number
}

export interface Target {
  /** @param place spreads the connections over the processes. */
  open(route: Route, place: number): Promise<Client>
  close(): Promise<void>
}
