/**
 * A storm of rejections: every event is answered by `kong.response.exit`, for 16, 400 and 1,500 clients at once,
 * against Kong's own JavaScript plugin server (kong-pdk) in one run. `node dist/bench/storm.js [seconds]`; medians of
 * three rounds; about two minutes.
 *
 * As in Kong, a rejection over ProtoBuf:1 costs its connection, so each event dials anew, and a dial that the kernel
 * refuses is an error 500 for Kong's client: counted, and tried again. Over MsgPack:1 the connections stay. The
 * client shares the machine with the server, so the CPU time of the server's process is what compares.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMs } from './cpu.ts'
import type { KongLane } from './kong-lane.ts'
import { CONTENDERS, type Contender, withServer } from './plugin-servers.ts'
import { median, printTable } from './report.ts'

const CLIENTS = [16, 400, 1500]
const ROUNDS = 3
const SECONDS = Number(process.argv[2] ?? 3)
/** Before a client dials again that was refused. */
const REDIAL_MS = 1

interface Counts {
  rejected: number
  /** Events that were answered otherwise, or not at all. */
  other: number
  refused: number
}

interface Measured extends Counts {
  readonly perSecond: number
  /** CPU of the server's process an event. */
  readonly micros: number
  /** Share of one core that the server's process had. */
  readonly busy: number
}

function measure(contender: Contender, clients: number): Promise<Measured> {
  return withServer(contender, async ({ pid, socket, lane }) => {
    const instance = await lane.startInstance('reject', { __plugin_id: 'bench', __seq__: 1 })
    const counts: Counts = { rejected: 0, other: 0, refused: 0 }
    let on = true
    const dial = async (): Promise<KongLane> => {
      for (;;) {
        try {
          return await contender.open(socket)
        } catch {
          counts.refused++
          await pause(REDIAL_MS)
        }
      }
    }
    const client = async () => {
      let line: KongLane | undefined
      while (on) {
        line ??= await dial()
        const outcome = await line.event(instance, 'access').catch(() => undefined)
        if (outcome === 'rejected') counts.rejected++
        else counts.other++
        if (contender.protocol === 'ProtoBuf:1' || outcome === undefined) {
          line.close()
          line = undefined
        }
      }
      line?.close()
    }
    const ended = Promise.all(Array.from({ length: clients }, client))
    await pause(SECONDS * 500)
    const [before, cpuBefore, startedAt] = [counts.rejected, cpuMs(pid), performance.now()]
    await pause(SECONDS * 1000)
    const [events, cpu, took] = [
      counts.rejected - before,
      cpuMs(pid) - cpuBefore,
      performance.now() - startedAt,
    ]
    on = false
    await ended
    lane.close()
    return { ...counts, perSecond: (events / took) * 1000, micros: (cpu * 1000) / events, busy: cpu / took }
  })
}

const rows: string[][] = []
for (const clients of CLIENTS) {
  const rounds: Measured[][] = CONTENDERS.map(() => [])
  for (let round = 0; round < ROUNDS; round++)
    for (const [index, contender] of CONTENDERS.entries())
      rounds[index]!.push(await measure(contender, clients))
  const of = (index: number, what: keyof Measured) => median(rounds[index]!.map(one => one[what]))
  const sum = (index: number, what: keyof Counts) => rounds[index]!.reduce((all, one) => all + one[what], 0)
  for (const [index, { name, protocol }] of CONTENDERS.entries()) {
    const rejected = sum(index, 'rejected')
    const share = rejected / (rejected + sum(index, 'other'))
    const micros = of(index, 'micros')
    rows.push([
      String(clients),
      `${name}, ${protocol}`,
      Math.round(of(index, 'perSecond')).toLocaleString('en'),
      `${micros.toFixed(1)} µs (${(micros / of(0, 'micros')).toFixed(2)} ×)`,
      `${Math.round(of(index, 'busy') * 100)} %`,
      `${share === 1 ? '100' : (share * 100).toFixed(3)} % of ${rejected.toLocaleString('en')}`,
      String(sum(index, 'refused')),
    ])
  }
}
printTable(
  [
    'clients',
    'server',
    'rejections/s',
    'CPU a rejection',
    "server's core",
    'answered by exit',
    'refused dials',
  ],
  rows,
)
