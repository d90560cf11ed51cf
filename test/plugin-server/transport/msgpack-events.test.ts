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
})
