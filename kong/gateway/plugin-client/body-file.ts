import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A body that is too long for nginx's buffer. In ProtoBuf:1 Kong tells the plugin server where the file is. */
export interface BodyFile {
  readonly bodyFilepath: string
  remove(): Promise<void>
}

export async function writeBodyFile(body: Buffer): Promise<BodyFile> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-body-'))
  const bodyFilepath = path.join(folder, 'body')
  await writeFile(bodyFilepath, body, { mode: 0o600 })
  return { bodyFilepath, remove: () => rm(folder, { recursive: true, force: true }) }
}
