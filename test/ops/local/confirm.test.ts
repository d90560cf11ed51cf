import assert from 'node:assert/strict'
import path from 'node:path'
import { CTRL_C, CTRL_D, openTerminal } from '../../support/terminal.ts'

const MODULE = path.resolve(import.meta.dirname, '../../../ops/local/confirm.js')

describe('the question before something is fetched', function () {
  this.timeout(90_000)
  const { CI: _, SLUICE_YES: __, ...env } = process.env
  const ask = async (keys: string, more: Record<string, string> = {}) => {
    const script = `import { confirm } from ${JSON.stringify(MODULE)}; console.log('answer ' + (await confirm('Fetch it?')))`
    const terminal = openTerminal([process.execPath, '--input-type=module', '-e', script], {
      ...env,
      ...more,
    })
    if (Object.keys(more).length === 0) await terminal.shows('Fetch it? [Y/n]')
    terminal.type(keys)
    return { code: await terminal.ended(), screen: terminal.screen() }
  }

  for (const keys of ['n\r', 'N\r', ' no\r', CTRL_D])
    it(`takes ${JSON.stringify(keys)} for no`, async () => {
      assert.match((await ask(keys)).screen, /answer false/)
    })

  for (const keys of ['\r', 'y\r', 'yes\r'])
    it(`takes ${JSON.stringify(keys)} for yes`, async () => {
      assert.match((await ask(keys)).screen, /answer true/)
    })

  it('lets Ctrl-C interrupt the process', async () => {
    const { code, screen } = await ask(CTRL_C)
    assert.equal(code, -2)
    assert.doesNotMatch(screen, /answer true/)
  })

  it('is not asked where CI or SLUICE_YES is set', async () => {
    for (const name of ['CI', 'SLUICE_YES']) {
      const { screen } = await ask('', { [name]: '1' })
      assert.match(screen, /^answer true/)
    }
  })
})
