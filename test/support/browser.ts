import { type Browser, chromium } from 'playwright-core'
import { obtainChromium } from '../../ops/local/chromium.ts'

/** A headless Chromium, as this machine can have one. */
export async function useBrowser(): Promise<Browser> {
  const { command, env } = await obtainChromium(line => process.stderr.write(`Chromium: ${line}\n`))
  return chromium.launch({
    executablePath: command,
    env: { ...env, HOME: '/tmp' },
    // Its sandbox needs rights that root in a container does not have; the pages are our own.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
}
