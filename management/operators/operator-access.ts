import type { Clock } from '../../foundation/clock.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { EventPublisher } from '../../sdk/event.ts'
import type { Database } from '../database.ts'
import { BrowserAccess } from './browser.ts'
import { LoginPace } from './login-pace.ts'
import { Operators } from './operators.ts'
import { Passwords } from './passwords.ts'
import { Sessions } from './sessions.ts'
import { Trail } from './trail.ts'

/** All that decides who may use the manager. */
export class OperatorAccess {
  readonly operators: Operators
  readonly sessions: Sessions
  readonly passwords = new Passwords()
  readonly pace: LoginPace
  readonly browser: BrowserAccess
  readonly trail: Trail

  constructor(settings: Settings, database: Database, events: EventPublisher, clock: Clock) {
    this.operators = new Operators(database, clock)
    this.sessions = new Sessions(database)
    this.pace = new LoginPace(database)
    this.browser = new BrowserAccess(settings)
    this.trail = new Trail(events, clock)
  }
}
