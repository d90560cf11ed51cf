import type { ManagerOptions } from '../../management/manager.ts'
import { type RunningAdmin, startAdminServer } from './admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from './faulty-admin.ts'
import { type RunningManager, startFilledManager } from './manager.ts'
import { START_MS } from './services.ts'

/** A manager whose way to Kong has faults, as a test decides. */
export interface FaultyManager {
  readonly kong: RunningAdmin
  readonly faulty: FaultyAdmin
  readonly manager: RunningManager
}

/** For the tests of a `describe`: started before them, without faults after each. @param take gets it when it is there */
export function useFaultyManager(options: ManagerOptions, take: (made: FaultyManager) => void): void {
  const endings: (() => Promise<void>)[] = []
  let faulty: FaultyAdmin | undefined
  before('starts a manager whose way to Kong has faults', async function () {
    this.timeout(START_MS)
    const kong = await startAdminServer()
    endings.unshift(() => kong.close())
    const way = await startFaultyAdmin(kong.url)
    endings.unshift(() => way.close())
    const manager = await startFilledManager({ SLUICE_ADMIN_URL: way.url }, options)
    endings.unshift(() => manager.close())
    faulty = way
    take({ kong, faulty, manager })
  })
  after('ends the manager', async () => {
    for (const end of endings) await end()
  })
  afterEach(() => {
    if (faulty) faulty.decide = () => 'pass'
  })
}
