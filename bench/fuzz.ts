/** One million mutated frames against the runtime: `node dist/bench/fuzz.js [frames] [seed]`; under a minute. */
import { fuzz } from '../test/support/fuzz.ts'

const frames = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
const before = process.memoryUsage.rss()
const { crashes, refused, served, sent } = await fuzz({ frames, seed })
const grownMb = Math.round((process.memoryUsage.rss() - before) / 1_048_576)
process.stdout.write(
  `${frames} mutated frames (seed ${seed}): ${crashes.length} crashes, ${refused} connections refused, ` +
    `${served} of ${sent} events of an untouched connection served, ${grownMb} MB more memory\n`,
)
if (crashes.length > 0) throw crashes[0]
process.exitCode = served === sent ? 0 : 1
