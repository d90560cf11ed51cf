import { SluiceError } from '../../foundation/errors.ts'
import { type Confirm, confirm } from './confirm.ts'
import { cacheFolder } from './folders.ts'
import { findPrograms, type Installation, type Source } from './installation.ts'
import { SYSTEM, unpackPackages } from './packages.ts'

/** The program itself: Debian's /usr/bin/chromium is a script that expects to be installed. */
const DEBIAN: Source = { programs: ['chromium'], folders: ['usr/lib/chromium'], packages: ['chromium'] }

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** A browser that can be driven. */
export interface Browser {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * Chromium: what SLUICE_CHROMIUM names, the program on this machine, or its Debian package, unpacked in the cache.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE that says why it cannot be had
 */
export async function obtainChromium(say: (line: string) => void, ask: Confirm = confirm): Promise<Browser> {
  const given = process.env.SLUICE_CHROMIUM
  if (given) return { command: given, env: SYSTEM }
  for (const name of NAMES) {
    const found = findPrograms({ programs: [name], folders: ['usr/lib/chromium'], packages: [] })
    if (found) return browserOf({ programs: found, env: SYSTEM }, name)
  }
  try {
    return browserOf(await unpackPackages(DEBIAN, cacheFolder(), { say, confirm: ask }), 'chromium')
  } catch (error) {
    throw new SluiceError(
      'SLUICE_SERVICE_UNAVAILABLE',
      `Chromium can be had in no way:\n  environment: SLUICE_CHROMIUM is not set\n  program: ${NAMES.join(', ')} not found on this machine\n  package: ${(error as Error).message}`,
    )
  }
}

function browserOf({ programs, env }: Installation, name: string): Browser {
  // PulseAudio's own libraries stand in a folder of their own, whose place is compiled in.
  const libraries = (env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)
  const all = [...libraries, ...libraries.map(folder => `${folder}/pulseaudio`)]
  return {
    command: programs[name]!,
    env: { ...env, ...(all.length > 0 && { LD_LIBRARY_PATH: all.join(':') }) },
  }
}
