import type { Browser } from 'playwright-core'
import type { Role } from '../../management/http/access.ts'
import { useBrowser } from './browser.ts'
import { loggedIn } from './browser-session.ts'
import { DashboardVisit, type VisitOptions } from './dashboard-browser.ts'
import { DashboardWorld, PASSWORD, type WorldOptions } from './dashboard-world.ts'
import { START_MS } from './services.ts'

/** The platform and a browser for the tests of one `describe`, which hooks of its own start and end. */
export class Dashboard {
  #world: DashboardWorld | undefined
  #browser: Browser | undefined
  readonly #visits: DashboardVisit[] = []
  /** Logging in takes long, by intention: one session a role serves all tests. */
  readonly #sessions = new Map<Role, Promise<string>>()

  /** To be called within `describe`. */
  static use(options: WorldOptions): Dashboard {
    const dashboard = new Dashboard()
    before('starts the platform and a browser', async function () {
      this.timeout(2 * START_MS)
      await Promise.all([
        DashboardWorld.start(options).then(world => {
          dashboard.#world = world
        }),
        useBrowser().then(browser => {
          dashboard.#browser = browser
        }),
      ])
    })
    afterEach('ends the visits', async () => {
      const ends = await Promise.allSettled(dashboard.#visits.splice(0).map(visit => visit.end()))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    })
    after('ends the platform and the browser', async () => {
      await dashboard.#browser?.close()
      await dashboard.#world?.close()
    })
    return dashboard
  }

  get world(): DashboardWorld {
    if (!this.#world) throw new Error('the platform has not started')
    return this.#world
  }

  /** A browser in which nobody is logged in. */
  async arrive(options: VisitOptions = {}): Promise<DashboardVisit> {
    if (!this.#browser) throw new Error('the browser has not started')
    const visit = await DashboardVisit.begin(this.#browser, this.world.url, options)
    this.#visits.push(visit)
    return visit
  }

  /** A browser in which an operator of this role is logged in. @param place as behind `#/` */
  async visit(role: Role, place = '', options: VisitOptions = {}): Promise<DashboardVisit> {
    const session =
      this.#sessions.get(role) ?? loggedIn(this.world.url, role, PASSWORD).then(({ cookie }) => cookie)
    this.#sessions.set(role, session)
    return this.arrive({ ...options, place, cookie: await session })
  }

  /** The id of the first plugin of this name. */
  async pluginId(name: string): Promise<string> {
    const { body } = await this.world.call('GET', `/v1/plugins?q=${name}`)
    return body.data.find((row: { name: string }) => row.name === name).id
  }

  /** A request to the gateway's proxy. */
  request(path: string, key?: string): Promise<Response> {
    return fetch(`${this.world.gateway.proxyUrl}${path}`, {
      headers: { ...(key !== undefined && { apikey: key }) },
    })
  }
}
