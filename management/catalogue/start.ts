import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { createLogger, type Logger } from '../../foundation/log.ts'
import type { Settings } from '../../foundation/settings.ts'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { Catalogue } from './catalogue.ts'
import { createFetchText } from './fetch-document.ts'
import { readKongRows } from './kong-rows.ts'
import type { ApiList } from './list.ts'
import { createCatalogueServer } from './server.ts'

export interface CatalogueOptions {
  readonly log?: Logger
  readonly now?: () => number
  readonly timers?: Timers
}

export interface RunningCatalogue {
  readonly url: string
  /** Undefined before Kong was read. */
  readonly list: () => ApiList | undefined
  /** Looks at Kong and the services now. */
  look(): Promise<unknown>
  close(): Promise<void>
}

/**
 * Serves the catalogue; resolves when it listens, whether Kong answers yet or not.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_PORT_IN_USE
 */
export async function startCatalogue(
  settings: Settings,
  {
    log = createLogger(settings.logLevel),
    now = systemClock.now,
    timers = systemTimers,
  }: CatalogueOptions = {},
): Promise<RunningCatalogue> {
  const { proxyUrl, catalogueListen, catalogueAppDir } = settings
  if (!catalogueListen) throw new SluiceError('SLUICE_CONFIG_INVALID', 'SLUICE_CATALOGUE_LISTEN: is off')
  if (proxyUrl === undefined)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      "SLUICE_PROXY_URL: is not set; the catalogue fetches documents through Kong's proxy",
    )
  const kong = new AdminClient({ url: settings.adminUrl, connections: 3 })
  const fetchText = createFetchText(proxyUrl)
  const catalogue = new Catalogue({ readRows: () => readKongRows(kong), fetchText, now, timers, log })
  const app = await createCatalogueServer({ catalogue, appDir: catalogueAppDir, log })
  const close = async () => {
    catalogue.close()
    await app.close()
    await kong.close()
  }
  try {
    const url = await app.listen(catalogueListen)
    log.info({ host: catalogueListen.host, port: Number(new URL(url).port) }, 'the catalogue is served')
    void catalogue.start()
    return { url, list: () => catalogue.snapshot?.list, look: () => catalogue.look(), close }
  } catch (error) {
    await close()
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    const { host, port } = catalogueListen
    throw isTaken
      ? new SluiceError('SLUICE_PORT_IN_USE', `SLUICE_CATALOGUE_LISTEN: ${host}:${port} is taken`)
      : new SluiceError('SLUICE_CONFIG_INVALID', `SLUICE_CATALOGUE_LISTEN: ${messageOf(error)}`)
  }
}
