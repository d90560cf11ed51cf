import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { openOutput } from '../../../plugins/request-log/output.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

describe('the file of the request log', () => {
  let folder: TestFolder
  let file: string
  const open = (keep = 3) => openOutput({ file, maxBytes: 65_536, keep, onFault: assert.fail })
  beforeEach(() => {
    folder = makeFolder()
    file = path.join(folder.path, 'requests.jsonl')
  })
  afterEach(() => folder.remove())
  const linesOf = (name: string) => readFileSync(name, 'utf8').split('\n').slice(0, -1)
  const names = () => readdirSync(folder.path).sort()

  it('is rotated by its size, keeps as many as it should, and loses no line', async () => {
    let output = open()
    let written = 0
    // In rounds, since a rotation looks at what is on the disk.
    for (let round = 0; round < 8; round++) {
      for (let n = 0; n < 700; n++) output.write(`{"n":${written++},"filler":"${'x'.repeat(80)}"}\n`)
      await output.close()
      output = open()
    }
    await output.close()
    const kept = [`${file}.3`, `${file}.2`, `${file}.1`, file].filter(existsSync)
    assert.ok(existsSync(`${file}.3`) && !existsSync(`${file}.4`), names().join())
    const numbers = kept.flatMap(linesOf).map(line => (JSON.parse(line) as { n: number }).n)
    assert.equal(numbers.at(-1), written - 1)
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
    )
  })

  it('is written anew behind a rotation, and rotated again only when it is full again', async () => {
    writeFileSync(file, 'x'.repeat(65_000))
    const output = open()
    output.write(`${'y'.repeat(600)}\n`)
    output.write(`${'z'.repeat(40_000)}\n`)
    await until(() => statSync(file).size > 40_000)
    output.write('last\n')
    await output.close()
    assert.deepEqual(names(), ['requests.jsonl', 'requests.jsonl.1'])
    assert.ok(readFileSync(`${file}.1`, 'utf8').startsWith('x'))
    assert.ok(readFileSync(file, 'utf8').endsWith('z\nlast\n'))
    assert.equal(statSync(file).mode & 0o007, 0)
  })

  it('counts bytes, not characters', async () => {
    writeFileSync(file, 'x'.repeat(40_000))
    const output = open()
    output.write(`${'ü'.repeat(13_000)}\n`)
    await output.close()
    assert.ok(existsSync(`${file}.1`))
  })

  it('goes on where it cannot be rotated, and says so once', async () => {
    writeFileSync(file, 'x'.repeat(65_000))
    mkdirSync(`${file}.1`)
    const faults: (string | undefined)[] = []
    const onFault = (reason: string | undefined) => faults.push(reason)
    const output = openOutput({ file, maxBytes: 65_536, keep: 1, onFault })
    for (let n = 0; n < 3; n++) {
      const { size } = statSync(file)
      output.write(`${'y'.repeat(9_000)}\n`)
      await until(() => statSync(file).size > size)
    }
    await output.close()
    assert.match(String(faults[0]), /^E/)
    assert.equal(faults.filter(Boolean).length, 1)
    // The lines are written.
    assert.equal(faults.at(-1), undefined)
    assert.equal(statSync(file).size, 65_000 + 3 * 9_001)
  })

  it('says why where it cannot be opened, drops lines, and is there as soon as it can be', async () => {
    mkdirSync(file)
    const faults: (string | undefined)[] = []
    const onFault = (reason: string | undefined) => faults.push(reason)
    const output = openOutput({ file, maxBytes: 65_536, keep: 1, onFault })
    for (let n = 0; n < 3; n++) assert.equal(output.write(`${'x'.repeat(9_000)}\n`), false)
    assert.match(String(faults[0]), /EISDIR/)
    assert.equal(faults.length, 1)
    rmdirSync(file)
    assert.equal(output.write('at last\n'), true)
    await output.close()
    assert.equal(readFileSync(file, 'utf8'), 'at last\n')
    assert.deepEqual(faults.slice(1), [undefined])
  })

  it('keeps nobody from ending where it could never be opened', async () => {
    mkdirSync(file)
    await openOutput({ file, maxBytes: 65_536, keep: 1, onFault() {} }).close()
  })

  it('is not for everybody to read', async () => {
    const output = open()
    output.write('{}\n')
    await output.close()
    assert.equal(statSync(file).mode & 0o007, 0)
  })

  it('takes a bounded number of bytes into memory while the disk is busy, and counts what it drops', async () => {
    let dropped = 0
    const options = { file, maxBytes: 1e9, keep: 1, onFault: assert.fail }
    const output = openOutput(options)
    const line = `${'x'.repeat(9_999)}\n`
    // In one turn of the loop, in which nothing gets to the disk.
    for (let n = 0; n < 2_000; n++) if (!output.write(line)) dropped++
    await output.close()
    const written = statSync(file).size / line.length
    assert.equal(written + dropped, 2_000)
    assert.ok(written < 1_000, `${written} lines of 10 kB`)
  })

  it('is shared by processes: one that another has rotated is only opened anew', async () => {
    const [one, other] = [open(), open()]
    let written = 0
    for (let n = 0; n < 1_500; n++)
      for (const output of [one, other]) output.write(`{"n":${written++},"filler":"${'x'.repeat(80)}"}\n`)
    await Promise.all([one.close(), other.close()])
    const kept = names().map(name => path.join(folder.path, name))
    const numbers = new Set(kept.flatMap(linesOf).map(line => (JSON.parse(line) as { n: number }).n))
    assert.ok(numbers.size <= written)
    assert.ok(numbers.has(written - 1) && numbers.has(written - 2))
  })
})

/** @returns what a process with this program has written, which has ended by itself */
async function run(program: string): Promise<string> {
  const output = new URL('../../../plugins/request-log/output.js', import.meta.url).href
  const whole = `import { openOutput } from '${output}'\n${program}`
  const options = { timeout: 100_000, killSignal: 'SIGKILL' } as const
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', whole],
    options,
  )
  return stdout
}

describe('the request log on a full disk', () => {
  it('says why it takes nothing, and keeps no process from ending', async () => {
    const stdout = await run(`
      let fault
      const faulty = new Promise(resolve => { fault = resolve })
      const output = openOutput({ file: '/dev/full', maxBytes: 1e9, keep: 1, onFault: fault })
      output.write('x'.repeat(9000) + '\\n')
      console.log(await faulty)
      await output.close()
      process.exit()`)
    assert.match(stdout, /ENOSPC/)
  })
})

describe('the request log on standard output', () => {
  it('comes whole, also what was written last', async () => {
    const stdout = await run(`
      const output = openOutput({ file: undefined, maxBytes: 1, keep: 1 })
      for (let n = 0; n < 2000; n++) output.write(JSON.stringify({ n, filler: 'x'.repeat(50) }) + '\\n')
      await output.close()`)
    const numbers = stdout
      .split('\n')
      .slice(0, -1)
      .map(line => (JSON.parse(line) as { n: number }).n)
    assert.deepEqual(numbers, [...Array(2_000).keys()])
  })
})
