import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { AdminUnreachable } from '../../kong/admin/answer.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { type Finding, fail } from './check.ts'

const TIMEOUT_MS = 5_000

/** Runs checks against the Admin API; when it does not answer, that is the finding. */
export async function withAdmin(
  area: string,
  url: string,
  check: (client: AdminClient) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  let client: AdminClient | undefined
  try {
    client = new AdminClient({ url, timeoutMs: TIMEOUT_MS })
    return await check(client)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return [error instanceof AdminUnreachable ? unreachable(area, error) : refused(area, url, error)]
  } finally {
    await client?.close()
  }
}

const unreachable = (area: string, error: AdminUnreachable): Finding =>
  fail(area, messageOf(error), 'Check that Kong runs, and that --admin-url is its Admin API.')

const refused = (area: string, url: string, error: SluiceError): Finding =>
  fail(
    area,
    `${url}: ${error.message}`,
    'Check --admin-url. Kong 3.9.3 answers 500 at / when a pluginserver has a start_cmd: remove it.',
  )
