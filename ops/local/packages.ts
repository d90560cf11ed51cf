import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Confirm } from './confirm.ts'
import { findPrograms, type Installation, type Source } from './installation.ts'

const run = promisify(execFile)
/** Debian's keys, as each Debian has them. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

const OPTIONS = { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 64 * 1024 * 1024 }

/** What a service runs well without: log rotation, a JIT compiler, tools around the server. */
const NOT_NEEDED =
  /^(logrotate|socat|ssl-cert|libllvm|libz3|postgresql-common|postgresql-client|ucf$|sysv|debconf|perl|lib\w+-perl|libc6|libc-bin|libc-l10n|locales|init-system|cron|netbase|sensible-utils|libjs-)/

/**
 * The packages that `apt-get --simulate install` would newly install, or bring up to date from the same source.
 *
 * @param simulation its output: a line `Inst NAME (VERSION …)` each, with the present version in brackets
 */
export function packagesToUnpack(simulation: string, wanted: readonly string[]): string[] {
  const names = [...simulation.matchAll(/^Inst (\S+) (\[)?/gm)]
    .filter(
      ([, name = '', isUpgrade]) => !isUpgrade || /^(postgresql|libpq|redis|rabbitmq|erlang)/.test(name),
    )
    .map(([, name = '']) => name)
  return [...new Set([...wanted, ...names])].filter(name => !NOT_NEEDED.test(name))
}

/**
 * Unpacks the Debian packages of a service into a folder of the cache. Nothing is installed: no daemon starts,
 * and the machine is as before. Needs apt-get and dpkg-deb, not root.
 *
 * @param say gets a line on what is fetched
 * @param confirm is asked before that; false refuses
 * @throws Error that says why it could not be had
 */
export async function unpackPackages(
  source: Source,
  cache: string,
  { say, confirm }: { readonly say: (line: string) => void; readonly confirm: Confirm },
): Promise<Installation> {
  const root = path.join(cache, source.packages[0]!)
  if (!existsSync(root)) {
    const { names, apt } = await resolve(source, cache)
    if (!(await confirm(`Fetch the Debian packages ${names.join(', ')} into ${root}?`)))
      throw new Error('its Debian package is missing, and fetching it was refused')
    say(`fetching the Debian packages ${names.join(', ')} into ${root}; nothing is installed on the machine`)
    await unpack(names, apt, cache, root)
  }
  const programs = findPrograms(source, root)
  if (!programs)
    throw new Error(`its Debian package, unpacked in ${root}, lacks ${source.programs.join(' or ')}`)
  return {
    programs,
    env: {
      ...SYSTEM,
      // Behind the machine's own: only what it lacks (such as `ps`) is taken from here.
      PATH: [SYSTEM.PATH, path.join(root, 'usr/bin'), path.join(root, 'bin')].join(':'),
      LD_LIBRARY_PATH: libraryFolders(root).join(':'),
    },
  }
}

/** The environment of a program that is installed on the machine. */
export const SYSTEM = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
} as const satisfies Readonly<Record<string, string>>

async function resolve(source: Source, cache: string): Promise<{ names: string[]; apt: string[] }> {
  const simulate = async (apt: string[]) => {
    const args = [...apt, 'install', '--simulate', '--no-install-recommends', ...source.packages]
    const { stdout } = await run('apt-get', args, OPTIONS)
    const names = packagesToUnpack(stdout, source.packages)
    // Lists that are out of date name files that the mirror no longer has.
    await run('apt-get', [...apt, 'download', '--print-uris', ...names], OPTIONS)
    return { names, apt }
  }
  try {
    await run('apt-get', ['--version'], OPTIONS)
    await run('dpkg-deb', ['--version'], OPTIONS)
  } catch {
    throw new Error('apt-get and dpkg-deb are not on this machine')
  }
  const notFound = (error: Error & { stderr?: string }) => {
    throw new Error(`apt-get does not find ${source.packages.join(', ')}: ${lastLine(error)}`)
  }
  if (source.suite !== undefined) return fromSuite(source.suite, cache, simulate).catch(notFound)
  return simulate([]).catch(async () => simulate(await ownLists(cache)).catch(notFound))
}

/** A release other than the machine's, from its mirror, Debian's own, or Debian's archive of old releases. */
async function fromSuite<T>(
  suite: string,
  cache: string,
  simulate: (apt: string[]) => Promise<T>,
): Promise<T> {
  const mirrors = [
    ...(await debianMirrors()),
    'http://deb.debian.org/debian',
    'http://archive.debian.org/debian',
  ]
  let failure: unknown
  for (const mirror of new Set(mirrors)) {
    try {
      return await simulate(await ownLists(cache, { suite, mirror }))
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function debianMirrors(): Promise<string[]> {
  const args = ['indextargets', '--format', '$(ORIGIN) $(REPO_URI)', 'Created-By: Packages']
  const { stdout } = await run('apt-get', args, OPTIONS).catch(() => ({ stdout: '' }))
  return [...stdout.matchAll(/^Debian (\S+?)\/?$/gm)]
    .map(([, url]) => url!)
    .filter(url => /\/debian$/.test(url))
}

/** Package lists of our own, where the machine's are missing or out of date: those may be root's alone to change. */
async function ownLists(
  cache: string,
  from?: { readonly suite: string; readonly mirror: string },
): Promise<string[]> {
  const folder = path.join(cache, from === undefined ? 'apt' : `apt-${from.suite}`)
  const lists = path.join(folder, 'lists')
  const archives = path.join(folder, 'archives')
  await mkdir(path.join(lists, 'partial'), { recursive: true })
  await mkdir(path.join(archives, 'partial'), { recursive: true })
  const apt = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${folder}`]
  if (from !== undefined) {
    const list = path.join(folder, 'sources.list')
    writeFileSync(list, `deb [signed-by=${KEYRING}] ${from.mirror} ${from.suite} main\n`)
    apt.push('-o', `Dir::Etc::sourcelist=${list}`, '-o', 'Dir::Etc::sourceparts=/dev/null')
  }
  await run('apt-get', [...apt, '-o', 'APT::Sandbox::User=', 'update'], OPTIONS).catch(error => {
    throw new Error(`apt-get update failed: ${lastLine(error)}`)
  })
  return apt
}

async function unpack(names: readonly string[], apt: readonly string[], cache: string, root: string) {
  const making = `${root}.${randomBytes(4).toString('hex')}`
  const archives = `${making}.deb`
  try {
    await mkdir(making, { recursive: true })
    await mkdir(archives)
    const download = (options: readonly string[]) =>
      run('apt-get', [...options, '-o', 'APT::Sandbox::User=', 'download', ...names], {
        ...OPTIONS,
        cwd: archives,
      })
    await download(apt)
      .catch(async error => {
        if (hasOwnLists(apt)) throw error
        return download(await ownLists(cache))
      })
      .catch(error => {
        throw new Error(`apt-get download failed: ${lastLine(error)}`)
      })
    for (const archive of readdirSync(archives))
      await run('dpkg-deb', ['--extract', path.join(archives, archive), making], OPTIONS)
    relocateErlang(making)
    // Another process may have unpacked it meanwhile; either serves.
    await rename(making, root).catch(error => {
      if (!existsSync(root)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
    await rm(archives, { recursive: true, force: true })
  }
}

/** Debian's `erl` names /usr/lib/erlang as its root, wherever it stands. */
function relocateErlang(root: string): void {
  const script = path.join(root, 'usr/lib/erlang/bin/erl')
  if (!existsSync(script)) return
  const text = readFileSync(script, 'utf8')
  writeFileSync(
    script,
    text.replaceAll('ROOTDIR=/usr/lib/erlang\n', 'ROOTDIR=$(cd "$(dirname "$0")/.." && pwd -P)\n'),
  )
}

const hasOwnLists = (apt: readonly string[]) => apt.length > 0

function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib'].flatMap(name => {
    const folder = path.join(root, name)
    if (!existsSync(folder)) return []
    return [
      folder,
      ...readdirSync(folder)
        .filter(entry => /-linux-/.test(entry))
        .map(entry => path.join(folder, entry)),
    ]
  })
}

function lastLine(error: { stderr?: string; message: string }): string {
  return (error.stderr || error.message).trim().replace(/.*\n/s, '')
}
