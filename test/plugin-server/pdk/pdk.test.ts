import assert from 'node:assert/strict'
import { Conversation, EXIT } from '../../../plugin-server/pdk/conversation.ts'
import { createPdk } from '../../../plugin-server/pdk/pdk.ts'
import type { Protocol } from '../../../protocol/calls.ts'
import { PHASES } from '../../../protocol/pdk/phases.ts'
import { CALLS, METHODS, type Method, phasesOf, rowOf } from '../../../protocol/pdk/table.ts'
import { TYPES } from '../../../protocol/types.ts'
import { WireReader } from '../../../protocol/wire.ts'
import type { FullKong, PhaseKong } from '../../../sdk/kong.ts'
import type { Phase } from '../../../sdk/sdk.ts'
import { msgpackRecords, protobufRecords } from '../../contract/pdk-records.ts'
import { ScriptedExchange } from '../../support/scripted-exchange.ts'

function begin(
  phase: Phase,
  answers: Partial<Record<Method, unknown>> = {},
  protocol: Protocol = 'ProtoBuf:1',
): { kong: FullKong; exchange: ScriptedExchange; conversation: Conversation } {
  const exchange = new ScriptedExchange(answers, protocol)
  const owner = {
    loopback: undefined,
    resumed: () => {},
    exited: () => {},
    refused: () => {},
    abandoned: () => {},
  }
  const conversation = new Conversation(exchange, phase, owner)
  return { kong: createPdk(conversation), exchange, conversation }
}

/** Arguments with which each call that needs some passes its checks. */
const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  'client.loadConsumer': ['eddie', true],
  'client.authenticate': [{ id: 'x' }],
  'ctx.shared.get': ['k'],
  'ctx.shared.set': ['k', 1],
  'ip.isTrusted': ['127.0.0.1'],
  'log.setSerializeValue': ['k', 1],
  'nginx.getVar': ['v'],
  'nginx.setCtx': ['k', 1],
  'nginx.getCtx': ['k'],
  'request.getQueryArg': ['a'],
  'request.getHeader': ['h'],
  'response.getHeader': ['h'],
  'response.setStatus': [201],
  'response.setHeader': ['h', 'v'],
  'response.addHeader': ['h', 'v'],
  'response.clearHeader': ['h'],
  'response.setHeaders': [{ h: 'v' }],
  'response.exit': [200],
  'response.error': [400],
  'response.json': [200, {}],
  'response.setRawBody': ['b'],
  'service.setUpstream': ['u'],
  'service.setTarget': ['h', 80],
  'service.setRetries': [1],
  'service.setTimeouts': [1, 1, 1],
  'service.request.setScheme': ['http'],
  'service.request.setPath': ['/'],
  'service.request.setRawQuery': [''],
  'service.request.setMethod': ['GET'],
  'service.request.setQuery': [{ a: '1' }],
  'service.request.clearQueryArg': ['a'],
  'service.request.setHeader': ['h', 'v'],
  'service.request.addHeader': ['h', 'v'],
  'service.request.clearHeader': ['h'],
  'service.request.setHeaders': [{ h: 'v' }],
  'service.request.setRawBody': ['b'],
  'service.response.getHeader': ['h'],
  'vault.get': ['{vault://env/x}'],
  'vault.isReference': ['x'],
}

async function make(kong: FullKong, call: string): Promise<unknown> {
  const names = call.split('.')
  const name = names.pop()!
  let namespace = kong as unknown as Record<string, Record<string, unknown>>
  for (const part of names) namespace = namespace[part] as never
  return await (namespace[name] as unknown as (...args: unknown[]) => unknown)(...(ARGUMENTS[call] ?? []))
}

describe('the PDK', () => {
  for (const phase of PHASES)
    it(`refuses in the ${phase} phase what Kong refuses there, and says nothing to Kong`, async () => {
      for (const { path, row } of CALLS) {
        const { kong, exchange } = begin(phase, { 'kong.log.serialize': '{}' }, 'MsgPack:1')
        // The phase check of what is made of another call is that call's.
        const allowed = path === 'response.json' ? phasesOf('kong.response.exit') : row.phases
        if (allowed.includes(phase)) {
          if (row.kind.startsWith('exit')) await assert.rejects(make(kong, path), EXIT)
          else await make(kong, path)
        } else {
          await assert.rejects(make(kong, path), { code: 'SLUICE_PDK_PHASE' }, path)
          assert.deepEqual(exchange.said, [])
        }
      }
    })

  it('has every method that was recorded, and allows all in some phase but two of the body filter', () => {
    const recorded = [...new Set(msgpackRecords.map(({ method }) => method as string))].filter(
      method => method !== 'kong.request.get_inexistent',
    )
    assert.deepEqual(Object.keys(METHODS).sort(), recorded.sort())
    const missing = (Object.keys(METHODS) as Method[]).filter(method => phasesOf(method).length === 0)
    assert.deepEqual(missing, ['kong.response.get_raw_body', 'kong.response.set_raw_body'])
  })

  it('refuses over ProtoBuf:1 the calls that exist in MsgPack:1 only', () => {
    const { kong, exchange } = begin('access')
    assert.throws(() => kong.request.getRawPath(), { code: 'SLUICE_PDK_PROTOCOL' })
    assert.deepEqual(exchange.said, [])
  })

  it('does not compile in a phase that does not allow the call', () => {
    const access = {} as PhaseKong<'access'>
    const log = {} as PhaseKong<'log'>
    const rewrite = {} as PhaseKong<'rewrite'>
    // The compiler fails where one of these lines is right.
    const wrong = [
      // @ts-expect-error the answer is not there yet
      () => access.response.getStatus(),
      // @ts-expect-error only the log phase has it
      () => access.log.serialize(),
      // @ts-expect-error the request is over
      () => log.response.setHeader('a', 'b'),
      // @ts-expect-error nothing of the upstream can be changed any more
      () => log.service.request,
      // @ts-expect-error Kong's timer has no request
      () => log.client.getIp(),
      // @ts-expect-error nobody is authenticated yet
      () => rewrite.client.getConsumer(),
      // @ts-expect-error the route is not known yet
      () => rewrite.router,
    ]
    const right = [
      () => access.response.exit(200),
      () => log.log.serialize(),
      () => rewrite.request.getPath(),
    ]
    assert.equal(wrong.length + right.length, 10)
  })

  it('asks once for what was asked before, and puts calls of one turn in one write', async () => {
    const { kong, exchange, conversation } = begin('access', {
      'kong.client.get_consumer': { id: 'c', tags: [] },
    })
    const [first, , second] = await Promise.all([
      kong.client.getConsumer(),
      kong.router.getService(),
      kong.client.getConsumer(),
    ])
    assert.equal(first, second)
    await kong.client.getConsumer()
    assert.deepEqual(exchange.methods, ['kong.client.get_consumer', 'kong.router.get_service', 'flush'])
    assert.equal(conversation.roundTrips, 1)
  })

  it('asks again after a change of the request', async () => {
    const { kong, exchange } = begin('access', { 'kong.request.get_header': 'old' })
    await kong.request.getHeader('x-a')
    kong.service.request.setHeader('x-a', 'new')
    await kong.request.getHeader('x-a')
    assert.deepEqual(
      exchange.methods.filter(method => method !== 'flush'),
      ['kong.request.get_header', 'kong.service.request.set_header', 'kong.request.get_header'],
    )
  })

  it('goes on sharing what a change of a header does not touch', async () => {
    const { kong, exchange } = begin('access', {
      'kong.request.get_header': 'old',
      'kong.client.get_consumer': { id: 'c', tags: [] },
    })
    await Promise.all([kong.client.getConsumer(), kong.request.getHeader('x-a')])
    kong.service.request.setHeader('x-b', 'new')
    kong.service.request.setHeaders({ 'x-c': 'new' })
    await Promise.all([kong.client.getConsumer(), kong.request.getHeader('x-a')])
    assert.equal(exchange.methods.filter(method => method.includes('.get_')).length, 2)
    kong.service.request.setHeader('X_A', 'new')
    await kong.request.getHeader('x-a')
    assert.equal(exchange.methods.filter(method => method === 'kong.request.get_header').length, 2)
  })

  it('asks once for a value that plugins share, until it is set', async () => {
    const { kong, exchange } = begin('access', { 'kong.ctx.shared.get': 'old' })
    const reads = () => exchange.methods.filter(method => method === 'kong.ctx.shared.get').length
    await kong.ctx.shared.get('a')
    await kong.ctx.shared.get('a')
    assert.equal(reads(), 1)
    kong.ctx.shared.set('b', 1)
    await kong.ctx.shared.get('a')
    assert.equal(reads(), 1)
    kong.ctx.shared.set('a', 1)
    await kong.ctx.shared.get('a')
    assert.equal(reads(), 2)
  })

  it('reads all headers when a second one is asked for, and answers further ones from them', async () => {
    const { kong, exchange } = begin('access', {
      'kong.request.get_header': 'one',
      'kong.request.get_headers': { 'x-b': ['two', 'zwei'], 'x-c': 'three' },
    })
    assert.equal(await kong.request.getHeader('X-A'), 'one')
    assert.equal(await kong.request.getHeader('x_b'), 'two')
    assert.equal(await kong.request.getHeader('x-c'), 'three')
    assert.equal(await kong.request.getHeader('x-none'), undefined)
    assert.deepEqual(
      exchange.methods.filter(method => method !== 'flush'),
      ['kong.request.get_header', 'kong.request.get_headers'],
    )
  })

  it('gathers header writes into one, whatever their case, and keeps their order with other changes', () => {
    const { kong, exchange, conversation } = begin('access')
    kong.response.setHeader('X-A', 1)
    kong.response.setHeaders({ 'x-a': '2', 'x-b': ['p', 3] })
    kong.response.clearHeader('x-a')
    kong.response.setHeader('x-c', true)
    kong.log.notice('x', new Error('text'))
    conversation.end()
    assert.deepEqual(exchange.said, [
      ['kong.log.notice', 'x', 'text'],
      ['kong.response.set_headers', { 'x-a': '2', 'x-b': ['p', '3'] }],
      ['kong.response.clear_header', 'x-a'],
      ['kong.response.set_headers', { 'x-c': 'true' }],
      ['end'],
    ])
  })

  it('gathers neighbouring header writes of the request into one, and keeps their order with other changes', () => {
    const { kong, exchange, conversation } = begin('access')
    kong.service.request.setHeader('X-A', 1)
    kong.service.request.setHeaders({ 'x-a': '2', 'x-b': ['p', 3] })
    kong.service.request.clearHeader('x-b')
    kong.service.request.setHeader('x-c', 'c')
    kong.service.request.setHeader('x-d', 'd')
    conversation.end()
    assert.deepEqual(exchange.said, [
      ['kong.service.request.set_headers', { 'x-a': '2', 'x-b': ['p', '3'] }],
      ['kong.service.request.clear_header', 'x-b'],
      ['kong.service.request.set_headers', { 'x-c': 'c', 'x-d': 'd' }],
      ['end'],
    ])
  })

  it('leaves a lone header write of the request as it is', () => {
    const { kong, exchange, conversation } = begin('access')
    kong.log.setSerializeValue('a', 1)
    kong.service.request.setHeader('x-a', '1')
    conversation.end()
    assert.deepEqual(
      exchange.said.map(([method]) => method),
      ['kong.log.set_serialize_value', 'kong.service.request.set_header', 'end'],
    )
  })

  it('lets a handler see in the response phase what it has set', async () => {
    const { kong, exchange } = begin('response')
    await kong.response.getHeader('x-a')
    kong.response.setHeader('x-a', '1')
    await kong.response.getHeader('x-a')
    assert.deepEqual(
      exchange.methods.filter(method => method !== 'flush'),
      ['kong.response.get_header', 'kong.response.set_headers', 'kong.response.get_header'],
    )
  })

  it('says nothing after an exit', () => {
    const { kong, exchange, conversation } = begin('access')
    kong.response.setHeader('x-a', 'early')
    assert.throws(() => kong.response.exit(403, 'no', { 'X-A': 'late' }), EXIT)
    assert.throws(() => kong.response.setHeader('x-b', '1'), EXIT)
    assert.throws(() => kong.client.getConsumer(), EXIT)
    conversation.end()
    assert.deepEqual(exchange.said, [['kong.response.exit', 403, 'no', { 'X-A': 'late' }], ['end']])
  })

  it('ends the event also when a write can not be sent', () => {
    const { kong, exchange, conversation } = begin('access')
    exchange.call = method => assert.notEqual(method, 'kong.response.set_headers', 'on purpose')
    kong.response.setHeader('x', '1')
    conversation.end()
    assert.deepEqual(exchange.said, [['end']])
    assert.match(String(conversation.fault), /on purpose/)
  })

  it('answers 500 where a write can not be sent, if the plugin is not to let requests pass', () => {
    const { kong, exchange, conversation } = begin('access')
    const call = exchange.call.bind(exchange)
    exchange.call = (method, args) => {
      assert.notEqual(method, 'kong.service.request.clear_header', 'on purpose')
      call(method, args)
    }
    kong.service.request.clearHeader('x-internal')
    conversation.end(true)
    assert.deepEqual(exchange.said, [['kong.response.exit', 500, '', {}], ['end']])
  })

  it('answers 500 where its answer can not be sent', () => {
    const { kong, exchange, conversation } = begin('access')
    const call = exchange.call.bind(exchange)
    exchange.call = (method, args) => {
      assert.notEqual(args[0], 403, 'on purpose')
      call(method, args)
    }
    assert.throws(() => kong.response.exit(403), EXIT)
    conversation.end()
    assert.deepEqual(exchange.said, [['kong.response.exit', 500, '', {}], ['end']])
  })

  it('rejects calls that come after the end, and those that the end leaves unanswered', async () => {
    const { kong, conversation } = begin('access')
    const pending = kong.client.getConsumer()
    conversation.end()
    await assert.rejects(pending, { code: 'SLUICE_PDK_CLOSED' })
    await assert.rejects(kong.client.getConsumer(), { code: 'SLUICE_PDK_CLOSED' })
    assert.throws(() => kong.response.setHeader('a', 'b'), { code: 'SLUICE_PDK_CLOSED' })
  })

  it('passes on what was read, asked and written to the one that goes on behind a late handler', async () => {
    const { kong, exchange, conversation } = begin('access', { 'kong.client.get_consumer': { id: 'c' } })
    conversation.fault = new Error('of before')
    conversation.origin = Promise.resolve(undefined)
    kong.response.setHeader('x-a', '1')
    const asked = kong.client.getConsumer()
    kong.service.request.clearHeader('x-b')
    const next = conversation.succeed()
    assert.deepEqual([next.fault, next.origin], [conversation.fault, conversation.origin])
    assert.equal(next.waiting, true)
    assert.equal(createPdk(next).client.getConsumer(), asked)
    assert.throws(() => kong.response.exit(403), { code: 'SLUICE_PDK_CLOSED' })
    next.end()
    await assert.rejects(asked, { code: 'SLUICE_PDK_CLOSED' })
    assert.deepEqual(exchange.methods, [
      'kong.client.get_consumer',
      'kong.service.request.clear_header',
      'kong.response.set_headers',
      'end',
    ])

    const log = begin('log')
    void log.kong.log.serialize().catch(() => {})
    log.conversation.endWithReads()
    const behind = createPdk(log.conversation.succeed())
    assert.throws(() => behind.log.info('too late'), { code: 'SLUICE_PDK_CLOSED' })
  })

  it('logs any values, and nothing where there are none, for which Kong would answer the client 500', () => {
    const { kong, exchange, conversation } = begin('access')
    kong.log.err()
    const round: { self?: unknown } = {}
    round.self = round
    kong.log.notice('x', undefined, 5n, round, { a: [1] })
    conversation.end()
    assert.deepEqual(exchange.said, [
      ['kong.log.notice', 'x', null, '5', '[object Object]', { a: [1] }],
      ['end'],
    ])
  })

  it('names a consumer as the protocol does, and passes on only what Kong takes', () => {
    const said = (['ProtoBuf:1', 'MsgPack:1'] as const).map(protocol => {
      const { kong, exchange, conversation } = begin('access', {}, protocol)
      kong.client.authenticate({ id: 'c', customId: 'x', tags: [] } as { id: string }, {
        id: 'k',
        consumerId: 'c',
      })
      conversation.end()
      return exchange.said[0]
    })
    assert.deepEqual(said, [
      ['kong.client.authenticate', { id: 'c', customId: 'x' }, { id: 'k', consumerId: 'c' }],
      ['kong.client.authenticate', { id: 'c', custom_id: 'x' }, { id: 'k', consumer_id: 'c' }],
    ])
  })

  it('belongs to one event, whatever a plugin looks at', async () => {
    const prototype = Object.getPrototypeOf(begin('access').kong) as FullKong
    assert.equal(prototype.response, undefined)
    const { kong, exchange, conversation } = begin('access')
    kong.response.setHeader('x', '1')
    conversation.end()
    assert.deepEqual(exchange.methods, ['kong.response.set_headers', 'end'])
  })

  it('is no promise by accident', async () => {
    const { kong } = begin('access')
    assert.equal(await kong, kong)
    assert.equal('then' in kong, false)
  })

  it('refuses arguments for which Kong would answer the client 500', () => {
    const { kong, exchange } = begin('access')
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const any = kong as any
    const wrong: (() => unknown)[] = [
      () => any.response.setHeader('', 'x'),
      () => any.response.setHeader('x', undefined),
      () => any.response.setHeader('x', 'a\r\nset-cookie: b'),
      () => any.response.setHeaders(['x']),
      () => any.response.setStatus(99),
      () => any.response.exit('200'),
      () => any.response.exit(200, 5),
      () => any.response.exit(200, { a: 5n }),
      () => any.response.exit(200, 'x', { a: {} }),
      () => any.response.error(200, 'x'),
      () => any.service.setTarget('h', 65_536),
      () => any.service.request.setPath('no-slash'),
      () => any.service.request.setScheme('ftp'),
      () => any.service.request.setMethod('get'),
      () => any.request.getHeaders(0),
      () => any.request.getHeaders(1001),
      () => any.client.loadConsumer('no-uuid'),
      () => any.client.authenticate(),
      () => any.client.authenticate({ id: 5 }),
      () => any.client.authenticate({ id: 'c', username: {} }),
      () => any.ctx.shared.set('k', () => {}),
      () => any.ctx.shared.set('k', Number.NaN),
    ]
    for (const call of wrong) assert.throws(call, { code: 'SLUICE_PDK_ARGUMENT' }, String(call))
    assert.deepEqual(exchange.said, [])
  })
})

/** What both protocols' recorded answers must come out as. Of the values that differ from run to run, their type. */
const eddie = {
  id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8',
  username: 'eddie',
  customId: 'eid',
  tags: ['gold'],
  createdAt: 1795188387,
}
const EXPECTED: Readonly<Partial<Record<Method, unknown>>> = {
  'kong.client.get_ip': '127.0.0.1',
  'kong.client.get_port': 'a number',
  'kong.client.get_consumer': eddie,
  'kong.client.load_consumer': eddie,
  'kong.client.get_protocol': 'http',
  'kong.ip.is_trusted': false,
  'kong.nginx.get_var': 'POST /pr/sub?a=1&a=2&b HTTP/1.1',
  'kong.nginx.get_tls1_version_str': undefined,
  'kong.nginx.req_start_time': 'a number',
  'kong.request.get_http_version': 1.1,
  'kong.request.get_method': 'POST',
  'kong.request.get_path': '/pr/sub',
  'kong.request.get_raw_query': 'a=1&a=2&b',
  'kong.request.get_query': { a: ['1', '2'], b: true },
  'kong.request.get_header': '1',
  'kong.request.get_uri_captures': { unnamed: [], named: {} },
  'kong.request.get_raw_body': { content: Buffer.from('body') },
  'kong.router.get_service': {
    id: 'e50bbf27-838a-428e-a1bf-fa6b8ef07ddc',
    name: 'pr',
    host: '127.0.0.1',
    port: 19000,
    protocol: 'http',
    retries: 5,
    connectTimeoutMs: 60_000,
    writeTimeoutMs: 60_000,
    readTimeoutMs: 60_000,
    tags: [],
  },
  'kong.router.get_route': {
    id: 'd0c0c2ca-5eb6-4e1c-932f-a59cb777932e',
    name: 'pr',
    protocols: ['http', 'https'],
    methods: [],
    hosts: [],
    paths: ['/pr'],
    serviceId: 'e50bbf27-838a-428e-a1bf-fa6b8ef07ddc',
    tags: [],
  },
  'kong.service.set_upstream': false,
}

describe('a recorded reply of Kong', () => {
  for (const [method, expected] of Object.entries(EXPECTED) as [Method, unknown][])
    it(`to ${method} gives the same value over both protocols`, () => {
      const { replyHex } = protobufRecords.find(r => r.phase === 'access' && r.method === method)!
      const [, output] = METHODS[method]!
      const wire =
        replyHex === '' ? undefined : TYPES[output].read(new WireReader(Buffer.from(replyHex!, 'hex')))[0]
      const { data } = msgpackRecords.find(r => r.phase === 'access' && r.method === method)!
      const packed =
        typeof data === 'object' && data !== null && 'bytes' in data
          ? Buffer.from(String(data.bytes), 'base64')
          : data
      for (const value of [rowOf(method).decode(wire), rowOf(method).decode(packed)])
        if (expected === 'a number') assert.equal(typeof value, 'number')
        else assert.deepEqual(value, expected)
    })

  it('to kong.request.get_headers has one string for a header that came once, and a list for one that came twice', () => {
    for (const { data } of msgpackRecords.filter(r => r.method === 'kong.request.get_headers')) {
      const headers = rowOf('kong.request.get_headers').decode(data) as Record<string, unknown>
      assert.equal(headers['content-type'], 'text/plain')
      assert.deepEqual(headers['x-multi'], ['1', '2'])
    }
  })
})
