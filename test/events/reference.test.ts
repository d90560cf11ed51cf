import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { updateReference } from '../../events/reference.ts'
import { EventRegistry } from '../../events/types/registry.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'

describe('the reference of event types', () => {
  it('is up to date (else: node dist/cli/sluice.js events types --update docs/events.md)', async () => {
    const page = readFileSync(new URL('../../../docs/events.md', import.meta.url), 'utf8')
    const plugins = await loadShippedPlugins()
    const { types } = new EventRegistry(plugins.flatMap(plugin => plugin.events ?? []))
    assert.equal(updateReference(page, types), page)
  })

  it('describes every type and every field', async () => {
    const plugins = await loadShippedPlugins()
    const { types } = new EventRegistry(plugins.flatMap(plugin => plugin.events ?? []))
    for (const { type, doc } of types) assert.ok(doc.endsWith('.'), `${type} has no sentence of its own`)
  })
})
