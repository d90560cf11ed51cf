import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { platformFolder } from '../folders.ts'
import { isAlive, startTimeOf } from '../processes.ts'
import type { ServiceKind } from '../service.ts'
import type { Ports } from './ports.ts'

/** One process for good: a pid alone may have become another's. */
export interface ProcessId {
  readonly pid: number
  readonly startTime: string
}

export interface ComponentState {
  readonly name: string
  /** Undefined for one that runs elsewhere or in a container. */
  readonly process?: ProcessId | undefined
  /** What a person reads: an address, or how it was had. */
  readonly about: string
  readonly log?: string | undefined
}

/** What runs, as the supervisor writes it for the other commands. */
export interface UpState {
  readonly supervisor: ProcessId
  /** False until all has started. */
  readonly ready: boolean
  readonly ports: Ports
  readonly components: readonly ComponentState[]
  /** What is missing, and what stands in for it. */
  readonly degraded: readonly string[]
  /** Of the stores that could be had, with credentials: the file is its user's alone. */
  readonly urls: Readonly<Partial<Record<ServiceKind, string>>>
}

/** A folder of the platform's that only this user may enter. */
export function privateFolder(name: string): string {
  const folder = path.join(platformFolder(), name)
  // The folder above is not private: the services' data is in it, which another user owns.
  mkdirSync(platformFolder(), { recursive: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

const stateFile = () => path.join(privateFolder('run'), 'up.json')

export function writeState(state: UpState): void {
  replaceFile(stateFile(), JSON.stringify(state, undefined, 2), 0o600)
}

/** No reader ever sees a half of it. */
export function replaceFile(file: string, text: string, mode: number): void {
  const beside = `${file}.${process.pid}`
  rmSync(beside, { force: true })
  writeFileSync(beside, text, { mode })
  renameSync(beside, file)
}

export function readState(): UpState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(), 'utf8')) as UpState
  } catch {
    return undefined
  }
}

export function removeState(): void {
  rmSync(stateFile(), { force: true })
}

export function identify(pid: number | undefined): ProcessId | undefined {
  const startTime = pid === undefined ? undefined : startTimeOf(pid)
  return pid === undefined || startTime === undefined ? undefined : { pid, startTime }
}

export function runs(process: ProcessId | undefined): boolean {
  return process !== undefined && isAlive(process.pid) && startTimeOf(process.pid) === process.startTime
}
