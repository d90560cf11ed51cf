import { confirm } from './confirm.ts'
import { cacheFolder } from './folders.ts'
import { findPrograms, type Installation, type Source } from './installation.ts'
import { SYSTEM, unpackPackages } from './packages.ts'

const SOURCE: Source = {
  programs: ['prometheus', 'promtool'],
  folders: ['usr/bin', 'usr/local/bin'],
  packages: ['prometheus'],
}

/**
 * The programs `prometheus` and `promtool`: those of this machine, or of their Debian package, unpacked in the cache.
 *
 * @param say gets a line on what is fetched
 * @throws Error that says why they cannot be had
 */
export async function obtainPrometheus(say: (line: string) => void): Promise<Installation> {
  const programs = findPrograms(SOURCE)
  if (programs) return { programs, env: SYSTEM }
  return await unpackPackages(SOURCE, cacheFolder(), { say, confirm })
}
