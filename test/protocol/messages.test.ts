import assert from 'node:assert/strict'
import { Route } from '../../protocol/entities.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

describe('a message of ProtoBuf:1', () => {
  it('has nothing of a map where its field is a list, as Kong writes the headers of a route', () => {
    const writer = new WireWriter()
    Route.write(writer, { id: 'r', headers: { 'x-version': ['1'] }, tags: ['a'] })
    const read = Route.read(new WireReader(writer.take()))
    assert.deepEqual([read.id, read.headers, read.tags], ['r', [], ['a']])
  })
})
