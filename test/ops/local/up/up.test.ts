import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import pg from 'pg'
import { cacheFolder, isOpen, projectFolder } from '../../../../ops/local/folders.ts'
import { findPrograms } from '../../../../ops/local/installation.ts'
import { unpackPackages } from '../../../../ops/local/packages.ts'
import { freePorts } from '../../../../ops/local/ports.ts'
import { isAlive } from '../../../../ops/local/processes.ts'
import { obtainPythonService } from '../../../../ops/local/python-service.ts'
import { PORTS } from '../../../../ops/local/up/ports.ts'
import type { UpState } from '../../../../ops/local/up/state.ts'
import { serviceUser } from '../../../../ops/local/user.ts'
import { until } from '../../../support/until.ts'
import { LONG_MS as KILLS_MS, killUnderLoad } from './kills.ts'

const run = promisify(execFile)
const PROGRAM = path.resolve(import.meta.dirname, '../../../../ops/local/up/up.js')
const UP_MS = 180_000

/** The guide uses curl, which a bare machine lacks. */
async function curlEnvironment(): Promise<Readonly<Record<string, string>>> {
  const curl = { programs: ['curl'], folders: ['usr/bin'], packages: ['curl'] }
  if (findPrograms(curl)) return {}
  const say = (line: string) => process.stderr.write(`curl: ${line}\n`)
  return (await unpackPackages(curl, cacheFolder(), { say, confirm: async () => true })).env
}

describe('make up', function () {
  this.timeout(UP_MS)
  let folder: string
  let env: Record<string, string>
  const make = async (target: string) => {
    const { stdout } = await run(process.execPath, [PROGRAM, target], { env })
    return stdout
  }
  const state = () => JSON.parse(readFileSync(path.join(folder, 'run', 'up.json'), 'utf8')) as UpState
  const processOf = (name: string) => state().components.find(component => component.name === name)?.process
  const allPids = () =>
    [state().supervisor, ...state().components.map(({ process }) => process)].flatMap(p => p?.pid ?? [])
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-up-'))
    chmodSync(folder, 0o755)
    const ports = await freePorts(Object.keys(PORTS).length)
    const variables = Object.values(PORTS).map(
      ({ env: name }, index) => [name, String(ports[index])] as const,
    )
    env = {
      ...(process.env as Record<string, string>),
      ...(await curlEnvironment()),
      ...Object.fromEntries(variables),
      SLUICE_UP_FOLDER: folder,
      SLUICE_YES: '1',
    }
  })
  after(async () => {
    await make('down')
    rmSync(folder, { recursive: true })
  })

  let guide: string
  it('starts everything and prints what to try', async () => {
    guide = await make('up')
    assert.match(guide, /Sluice is up\./)
    assert.deepEqual(state().degraded, [])
    assert.deepEqual(
      state()
        .components.map(({ name }) => name)
        .sort(),
      [
        'consul',
        'discovery',
        'gateway',
        'manager',
        'plugin-server',
        'postgres',
        'products',
        'rabbit',
        'redis',
        'sample',
        'users',
      ],
    )
  })

  it('keeps its secrets to its user', () => {
    for (const name of ['run', 'secrets', 'log', 'spool'])
      assert.equal(statSync(path.join(folder, name)).mode & 0o077, 0, name)
    for (const name of readdirSync(path.join(folder, 'secrets')))
      assert.equal(statSync(path.join(folder, 'secrets', name)).mode & 0o077, 0, name)
  })

  describe('and the commands of its guide', () => {
    const commandsBelow = (comment: RegExp) => {
      const lines = guide.split('\n')
      const start = lines.findIndex(line => comment.test(line))
      assert.notEqual(start, -1, `the guide has no ${comment}`)
      const commands = lines.slice(start + 1).map(line => line.trim())
      return commands.slice(
        0,
        commands.findIndex(line => line.startsWith('#') || line === ''),
      )
    }
    /** The outputs of the commands that stand below a comment of the guide, in their order. */
    const follow = async (comment: RegExp) => {
      const outputs: string[] = []
      for (const command of commandsBelow(comment)) {
        const { stdout } = await run('bash', ['-c', command], { env })
        outputs.push(stdout.trim())
      }
      return outputs
    }

    it('show a 401 without a key', async () => {
      const [answer] = await follow(/# 401/)
      assert.match(answer!, /^HTTP\/1\.1 401 [\s\S]*www-authenticate: Key/i)
    })

    it('show a 200 with a key', async () => {
      const [answer] = await follow(/# 200/)
      assert.match(answer!, /^HTTP\/1\.1 200 [\s\S]*"word":"good"/)
    })

    it('show an API that is published in one request', async () => {
      const [published] = await follow(/# an API in one request/)
      assert.equal(JSON.parse(published!).state, 'applied', published)
      const url = /curl (http\S+\/words\/good)/.exec(guide)?.[1] ?? ''
      await until('it answers', async () => (await fetch(url)).ok)
    })

    it('show a 429 with its headers', async function () {
      this.timeout(2 * UP_MS)
      const [codes, first] = await follow(/# 429/)
      let answer = first
      assert.match(codes!, /^(200 ){5}(429|200)$/)
      // Where the six take long, one of them has become free meanwhile.
      const again = async () => {
        if (answer?.startsWith('HTTP/1.1 429 ')) return true
        answer = (await follow(/# 429/))[1]
        return false
      }
      await until('a request is refused', again, { waitMs: UP_MS })
      for (const header of ['retry-after', 'ratelimit', 'ratelimit-policy'])
        assert.match(answer!, new RegExp(`^${header}: `, 'im'), header)
    })

    it('show the breaker opening', async () => {
      const [, codes] = await follow(/# the breaker opens/)
      assert.match(codes!, /^(500 ){4,}(503 ?)+$/)
    })

    it('show it healing', async () => {
      const [, codes] = await follow(/# … and heals/)
      assert.match(codes!, /^(503 )*(200 ?)+$/)
    })

    it('show how one registers, logs in and adds a product, and that nobody comes around the gateway', async () => {
      const commands = [
        ...commandsBelow(/# users and products/),
        ...commandsBelow(/# 401: the service refuses/),
      ]
      const { stdout } = await run('bash', ['-c', commands.join('\n')], { env })
      assert.match(stdout, /"email":"ada@example\.org".*"name":"Tea".*"data":\[\{.*"name":"Tea"/s)
      assert.match(stdout, /HTTP\/1\.1 401 .*Come through the gateway/s)
    })

    it('show the events in PostgreSQL and on the queue of RabbitMQ', async () => {
      // They arrive a moment after the answers.
      const types = ['key-auth.denied.v1', 'key-auth.granted.v1', 'qos.rejected.v1', 'circuit.opened.v1']
      const queued = [/^ {2}user\.created\.v1 /m, /^ {2}product\.created\.v1 /m]
      let shown = ''
      await until('the events are there', async () => {
        shown = await make('events')
        return types.every(type => shown.includes(` ${type}\n`)) && queued.every(event => event.test(shown))
      })
      const [, waiting] = /sluice\.events\.all: (\d+) messages wait/.exec(shown) ?? []
      assert.ok(Number(waiting) > 10, shown)
    })
  })

  describe('and its events', () => {
    it('stores the audit event of each request once, and queues it once', async () => {
      const requests = Array.from({ length: 25 }, async (_, number) => {
        const headers = number % 5 === 0 ? {} : { apikey: 'jason' }
        const url = `http://127.0.0.1:${state().ports.proxy}/dictionary/good`
        const answer = await fetch(url, { headers: { ...headers, connection: 'close' } })
        await answer.arrayBuffer()
        return answer.headers.get('x-kong-request-id')!
      })
      const ids = (await Promise.all(requests)).sort()
      assert.equal(new Set(ids).size, 25)
      const { postgres, rabbit } = state().urls

      const select = `SELECT data->>'request_id' AS id, type FROM gateway_events
        WHERE type LIKE 'key-auth.%' AND data->>'request_id' = ANY($1) ORDER BY 1`
      let rows: { id: string; type: string }[] = []
      const client = new pg.Client({ connectionString: postgres! })
      await client.connect()
      try {
        await until('the rows are there', async () => {
          rows = (await client.query<{ id: string; type: string }>(select, [ids])).rows
          return rows.length >= ids.length
        })
      } finally {
        await client.end()
      }
      assert.deepEqual(
        rows.map(({ id }) => id),
        ids,
      )
      assert.equal(rows.filter(({ type }) => type === 'key-auth.denied.v1').length, 5)

      const connection = await connect(rabbit!)
      const channel = await connection.createChannel()
      const queued: string[] = []
      await channel.consume(
        'sluice.events.all',
        message => {
          const event = JSON.parse(message?.content.toString() ?? '{}') as {
            type?: string
            data?: { request_id?: string }
          }
          const id = event.data?.request_id
          if (event.type?.startsWith('key-auth.') && id !== undefined && ids.includes(id)) queued.push(id)
        },
        { noAck: true },
      )
      await until('all are queued', () => queued.length >= ids.length).finally(() => connection.close())
      assert.deepEqual(queued.sort(), ids)
    })
  })

  describe('again and again', () => {
    it('changes nothing when all is up', async () => {
      const before = allPids()
      assert.match(await make('up'), /already up/)
      assert.deepEqual(allPids(), before)
    })

    it('gives operator commands all that they need, by a file to source and by make env', async () => {
      const file = path.join(folder, 'env')
      assert.equal(statSync(file).mode & 0o777, 0o600)
      assert.equal(await make('env'), readFileSync(file, 'utf8'))
      const operate = async (command: string) =>
        (await run('sh', ['-c', `. '${file}'; ${command}`], { cwd: tmpdir() })).stdout
      const desired = path.join(projectFolder(), 'kong/desired')
      assert.match(
        await operate(`sluice plan -f ${desired}/kong.yaml -f ${desired}/platform.yaml`),
        /No changes: \d+ entities are as declared/,
      )
      assert.match(await operate('sluice audit --since 1h'), /jason/)
      // On a busy machine it may find a store slow, and say so by its exit code.
      assert.match(await operate('sluice doctor || true'), /a server listens at/)
    })

    it('keeps the names of breakers from one start to the next', async () => {
      const declared = /- name: dictionary\n +id: ([\w-]+)/.exec(
        readFileSync(path.join(projectFolder(), 'kong/desired/kong.yaml'), 'utf8'),
      )?.[1]
      const { stdout } = await run('sh', ['-c', `. '${path.join(folder, 'env')}'; sluice breaker list`])
      assert.match(stdout, new RegExp(`^dictionary .* service:${declared}$`, 'm'))
    })

    it('keeps its logs below its folder', () => {
      for (const { name, log } of state().components.filter(({ process }) => process))
        assert.ok(log?.startsWith(isOpen(folder) ? folder : '/var/cache/sluice'), `${name}: ${log}`)
    })

    it('offers the list of its APIs, their documents and the page of the shop', async () => {
      const proxy = `http://127.0.0.1:${state().ports.proxy}`
      const { data } = (await (await fetch(`${proxy}/`)).json()) as { data: { name: string }[] }
      assert.ok(data.some(({ name }) => name === 'products'))
      await until('the documents are merged', async () => {
        const { paths } = (await (await fetch(`${proxy}/docs/openapi.json`)).json()) as { paths: object }
        return '/products' in paths && '/users/login' in paths
      })
      assert.match(await (await fetch(`${proxy}/app/`)).text(), /Sluice sample shop/)
    })

    it('lists what runs', async () => {
      const list = await make('ps')
      for (const { name } of state().components)
        assert.match(list, new RegExp(`^${name} +(running +\\d+|elsewhere) `, 'm'))
    })

    it('shows the end of each log', async () => {
      assert.match(await make('logs'), /── plugin-server .*\n.*"msg":"/)
    })

    it('shows a request as a trace, from the client to the service', async () => {
      const trace = randomBytes(16).toString('hex')
      const headers = { apikey: 'jason', traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01` }
      await fetch(`http://127.0.0.1:${state().ports.proxy}/dictionary/good`, { headers })
      await until('the trace is there', async () => {
        const { stdout } = await run(process.execPath, [PROGRAM, 'traces'], { env: { ...env, TRACE: trace } })
        assert.match(stdout, new RegExp(`^trace ${trace}\\n  GET dictionary .* request /dictionary/good`))
        assert.match(stdout, new RegExp(`^ {4}GET .* try 127\\.0\\.0\\.1:${state().ports.sample} 200$`, 'm'))
        return true
      })
    })

    it('takes the tokens of a new key of the users service, without a restart', async () => {
      const { command, env: python } = await obtainPythonService('users')
      const { stdout } = await run(command, ['-m', 'users', 'rotate-key', '0'], {
        env: {
          ...python,
          PYTHONPATH: path.join(projectFolder(), 'flask-sample'),
          USERS_KEYS_DIR: path.join(folder, 'data/users/keys'),
        },
        ...serviceUser(),
      })
      const post = (resource: string, body: object, headers = {}) =>
        fetch(`http://127.0.0.1:${state().ports.proxy}${resource}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        })
      let bearer = ''
      await until('it signs with the new key', async () => {
        const account = { email: 'ada@example.org', password: 'correct horse' }
        bearer = ((await (await post('/users/login', account)).json()) as { access_token: string })
          .access_token
        const head = JSON.parse(Buffer.from(bearer.split('.')[0]!, 'base64url').toString())
        return head.kid === stdout.trim()
      })
      const product = { name: 'Tea', price_cents: 350 }
      await until('the gateway takes it', async () => {
        const { status } = await post('/products', product, { authorization: `Bearer ${bearer}` })
        return status === 201
      })
    })

    it('starts the plugin server again when it is killed', async () => {
      const killed = processOf('plugin-server')!.pid
      process.kill(killed, 'SIGKILL')
      await until('another one runs', () => ![undefined, killed].includes(processOf('plugin-server')?.pid))
      const answer = await fetch(`http://127.0.0.1:${state().ports.http}/healthz`)
      assert.equal(answer.status, 200)
    })

    it('loses no event of the services while one of them and the broker are killed under load', async function () {
      this.timeout(KILLS_MS)
      const { created, refused, events, twice, pausesMs } = await killUnderLoad(state)
      assert.ok(events >= created)
      if (KILLS_MS > UP_MS) console.log({ created, refused, events, twice, pausesMs })
    })

    it('leaves nothing running when its supervisor is killed, and starts anew with the data', async () => {
      // From here on the starts are what counts, and not all that is started.
      env.SLUICE_UP_SAMPLES = 'off'
      const pids = allPids()
      process.kill(state().supervisor.pid, 'SIGKILL')
      await until('nothing runs', () => !pids.some(isAlive))
      await make('up')
      assert.match(await make('events'), /key-auth\.denied\.v1/)
      assert.equal(processOf('users'), undefined)
    })

    it('finds and ends all that runs, also without the state file', async () => {
      const pids = allPids()
      rmSync(path.join(folder, 'run', 'up.json'))
      assert.match(await make('down'), /everything has stopped/)
      assert.deepEqual(pids.filter(isAlive), [])
    })

    it('starts once when it is asked twice at the same time, and tells the second', async () => {
      const [first, second] = await Promise.allSettled([make('up'), make('up')])
      const [won, lost] = first.status === 'fulfilled' ? [first, second] : [second, first]
      assert.equal(won.status, 'fulfilled')
      assert.ok(lost.status === 'rejected')
      assert.match(
        (lost.reason as { stderr: string }).stderr,
        /another `make up` \(process \d+\) is starting the platform in /,
      )
      for (const pid of allPids()) assert.ok(isAlive(pid))
    })

    it('ends everything with make down, and says so when nothing is up', async () => {
      const pids = allPids()
      assert.match(await make('down'), /everything has stopped/)
      assert.deepEqual(pids.filter(isAlive), [])
      assert.match(await make('down'), /nothing is up/)
    })

    it('leaves nothing running when it is killed half-way, and does not crash over it', async () => {
      const starting = spawn(process.execPath, [PROGRAM, 'up'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
      let output = ''
      starting.stdout.on('data', text => {
        output += text
      })
      await until('a store is ready', () => / is ready/.test(output))
      const pids = allPids()
      starting.kill('SIGKILL')
      await until('nothing runs', () => !pids.some(isAlive))
      await make('down')
      assert.doesNotMatch(readFileSync(path.join(folder, 'log', 'up.log'), 'utf8'), /EPIPE|Error:/)
    })

    it('leaves nothing running when it is interrupted half-way', async () => {
      const starting = spawn(process.execPath, [PROGRAM, 'up'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
      let output = ''
      starting.stdout.on('data', text => {
        output += text
      })
      await until('the plugin server is ready', () => output.includes('the plugin-server is ready'))
      const pids = allPids()
      assert.ok(state().components.some(({ name }) => name === 'plugin-server'))
      starting.kill('SIGINT')
      const [code] = await once(starting, 'exit')
      assert.equal(code, 1)
      assert.match(output, /interrupted: stopping what was started/)
      await until('nothing runs', () => !pids.some(isAlive))
      assert.match(await make('down'), /nothing is up/)
    })
  })
})

describe('make up without its stores', function () {
  this.timeout(UP_MS)

  it('goes on with memory and spool, and says so', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-up-'))
    chmodSync(folder, 0o755)
    const [dead, ...ports] = await freePorts(Object.keys(PORTS).length + 1)
    const env: Record<string, string> = {
      ...(process.env as Record<string, string>),
      ...Object.fromEntries(Object.values(PORTS).map(({ env: name }, index) => [name, String(ports[index])])),
      SLUICE_UP_FOLDER: folder,
      SLUICE_REDIS_URL: `redis://127.0.0.1:${dead}`,
      SLUICE_POSTGRES_URL: `postgres://127.0.0.1:${dead}/x`,
      SLUICE_AMQP_URL: `amqp://127.0.0.1:${dead}`,
    }
    const make = async (target: string) => (await run(process.execPath, [PROGRAM, target], { env })).stdout
    try {
      const guide = await make('up')
      assert.match(guide, /Redis at SLUICE_REDIS_URL: .*\n +so limits and breakers are kept in memory/)
      assert.match(guide, /PostgreSQL at SLUICE_POSTGRES_URL: .*\n +so events stay in the spool for it/)
      assert.match(guide, /RabbitMQ at SLUICE_AMQP_URL: .*\n +so events stay in the spool for it/)
      assert.match(guide, /users and products are not started: they keep their data in PostgreSQL/)
      const url = `http://127.0.0.1:${env.SLUICE_UP_PROXY_PORT}/dictionary/good`
      assert.equal((await fetch(url, { headers: { apikey: 'jason' } })).status, 200)
      assert.match(await make('ps'), /missing: Redis/)
    } finally {
      await make('down')
      rmSync(folder, { recursive: true })
    }
  })
})
