import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A folder that is gone after the test. */
export interface TestFolder {
  readonly path: string
  remove(): void
}

export function makeFolder(): TestFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
