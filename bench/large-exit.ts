/**
 * CPU of the plugin server for an exit with a large body, such as a cached answer: `node dist/bench/large-exit.js
 * [exits]`; medians of three rounds, each body as a string and as bytes. Over ProtoBuf:1 each exit costs its
 * connection, as in Kong; an exit without a body shows what that takes.
 */
import { connect, type Socket } from 'node:net'
import { Packr } from 'msgpackr'
import { FrameSplitter } from '../protocol/frames.ts'
import { MsgpackStream } from '../protocol/msgpack-stream.ts'
import { writeRpcCall } from '../protocol/rpc.ts'
import { WireWriter } from '../protocol/wire.ts'
import { cpuMs } from './cpu.ts'
import { CONTENDERS, type Contender, withServer } from './plugin-servers.ts'
import { median, printTable } from './report.ts'

const ROUNDS = 3
const EXITS = Number(process.argv[2] ?? 3000)
const LANES = 8
const KINDS = ['string', 'bytes'] as const
const SIZES = [0, 1000, 16_000, 100_000, 1_000_000]

type Exit = (instance: number) => Promise<void>

/** A new connection each time: Kong never reads from one again that has carried an exit. */
const protobufExit =
  (path: string): Exit =>
  instance =>
    new Promise((resolve, reject) => {
      const socket = connect(path, () => {
        const writer = new WireWriter()
        const mark = writer.openFrame()
        writeRpcCall(writer, { kind: 'handle_event', sequence: 1, instanceId: instance, phase: 'access' })
        writer.closeFrame(mark)
        socket.write(writer.take())
      })
      let frames = 0
      const splitter = new FrameSplitter(1 << 30)
      socket.on('error', reject)
      // The method's name, then its arguments.
      socket.on('data', chunk =>
        splitter.push(chunk, () => {
          if (++frames < 2) return true
          socket.destroy()
          resolve()
          return false
        }),
      )
    })

function msgpackExit(socket: Socket): Exit {
  const packr = new Packr({ useRecords: false })
  const stream = new MsgpackStream(1 << 30)
  let done = () => {}
  socket.on('data', chunk =>
    stream.push(chunk, () => {
      done()
      return true
    }),
  )
  return instance =>
    new Promise(resolve => {
      done = resolve
      socket.write(packr.pack([0, 1, 'plugin.HandleEvent', [{ InstanceId: instance, EventName: 'access' }]]))
    })
}

async function measure(contender: Contender, kind: string, size: number): Promise<number> {
  return withServer(contender, async ({ pid, socket: path, lane }) => {
    const instance = await lane.startInstance('exit', { __plugin_id: 'bench', kind, size })
    const exits = Array.from({ length: LANES }, () =>
      contender.protocol === 'ProtoBuf:1' ? protobufExit(path) : msgpackExit(connect(path)),
    )
    const run = (count: number) =>
      Promise.all(
        exits.map(async exit => {
          for (let i = 0; i < count / LANES; i++) await exit(instance)
        }),
      )
    await run(EXITS / 3)
    const before = cpuMs(pid)
    await run(EXITS)
    const spent = cpuMs(pid) - before
    lane.close()
    return (spent * 1000) / EXITS
  })
}

const rows: string[][] = []
for (const contender of CONTENDERS.filter(({ name }) => name === 'Sluice'))
  for (const kind of KINDS) {
    const micros: number[] = []
    for (const size of SIZES) {
      const rounds: number[] = []
      for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(contender, kind, size))
      micros.push(median(rounds))
    }
    rows.push([`${contender.protocol}, ${kind}`, ...micros.map(each => `${each.toFixed(0)} µs`)])
  }
printTable(['CPU an exit', ...SIZES.map(size => (size === 0 ? 'no body' : `${size / 1000} KB`))], rows)
process.exit(0)
