/** The plugins that Sluice ships; each is loaded when it is needed. One line a plugin. */
import type { AnyPlugin } from './runtime/registry.ts'

type Load = () => Promise<{ readonly plugin: AnyPlugin }>

const SHIPPED: readonly Load[] = [
  () => import('../plugins/circuit-breaker/plugin.ts'),
  () => import('../plugins/qos/plugin.ts'),
  () => import('../plugins/key-auth-audit/plugin.ts'),
  () => import('../plugins/sluice/plugin.ts'),
]

export async function loadShippedPlugins(): Promise<AnyPlugin[]> {
  const modules = await Promise.all(SHIPPED.map(load => load()))
  return modules.map(({ plugin }) => plugin).sort((a, b) => b.priority - a.priority)
}
