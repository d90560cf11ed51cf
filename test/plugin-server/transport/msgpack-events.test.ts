import assert from 'node:assert/strict'
import { MsgpackEvents } from '../../../plugin-server/transport/msgpack-connection.ts'

describe('an event of MsgPack:1', () => {
  it('that Kong left without a word is forgotten, and its plugin is told', () => {
    const events = new MsgpackEvents(5)
    const told: string[] = []
    const exchange = events.open(() => {})
    exchange.listener = { abandoned: reason => told.push(reason) }
    exchange.call('kong.client.get_ip', [])
    exchange.flush()
    events.sweep()
    assert.deepEqual(told, [], 'it may have begun a moment ago')
    events.sweep()
    assert.equal(told.length, 1)
    assert.equal(events.size, 0)
  })

  it('stays while Kong answers, and while the plugin has the word', () => {
    const events = new MsgpackEvents(5)
    const thinking = events.open(() => {})
    const talking = events.open(() => {})
    for (const exchange of [thinking, talking])
      exchange.listener = { abandoned: () => assert.fail('it is not abandoned') }
    for (let i = 0; i < 4; i++) {
      talking.call('kong.client.get_ip', [])
      talking.flush()
      events.sweep()
      talking.step('127.0.0.1', () => {})
    }
    assert.equal(events.size, 2)
  })

  it('is forgotten at once when it was refused, and with an exit, which Kong never answers', () => {
    const events = new MsgpackEvents(5)
    const answers: unknown[] = []
    events.open(() => assert.fail('it was refused')).refuse()
    assert.equal(events.size, 0)
    const exchange = events.open((_, result) => answers.push(result))
    exchange.call('kong.response.exit', [200, '', {}])
    exchange.end()
    assert.deepEqual([events.size, answers.length], [0, 1])
    exchange.call('kong.client.get_ip', [])
    exchange.step('nonsense', (_, result) => answers.push(result))
    assert.deepEqual(answers[1], { EventId: exchange.id, Data: 'ret' })
  })
})
