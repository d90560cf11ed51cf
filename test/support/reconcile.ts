import { randomUUID } from 'node:crypto'
import type { AdminClient } from '../../kong/admin/client.ts'
import { type RetryParts, wait } from '../../kong/admin/retry.ts'
import { type ApplyWatcher, applyChanges } from '../../kong/reconcile/apply.ts'
import { readDeclared } from '../../kong/reconcile/files/declared.ts'
import { readSource } from '../../kong/reconcile/files/source.ts'
import { type Plan, planState } from '../../kong/reconcile/plan.ts'
import type { SettleOptions } from '../../kong/reconcile/steps/steps.ts'

/** Waits shortly, and always as long as it could. */
export const quickRetry: RetryParts = { monotonic: () => performance.now(), random: () => 0.99, wait }

/** Time that passes only by waiting; `onWait` may change the world meanwhile. */
export function simulatedRetry(onWait: (nowMs: number) => Promise<void>): RetryParts {
  let nowMs = 0
  return {
    monotonic: () => nowMs,
    random: () => 0.99,
    async wait(ms) {
      nowMs += ms
      await onWait(nowMs)
    },
  }
}

/** The plan for a state that is written down in a test. */
export const planText = (
  client: AdminClient,
  text: string,
  env: Readonly<Record<string, string>> = {},
  selectTags: readonly string[] = [],
): Promise<Plan> =>
  planState(client, readDeclared([readSource(text, 'kong.yaml', env)]), { selectTags, newId: randomUUID })

export interface ApplySettings {
  readonly watcher?: Partial<ApplyWatcher>
  readonly retryForMs?: number
  readonly signal?: AbortSignal
  readonly concurrency?: number
  readonly parts?: RetryParts
  readonly settle?: SettleOptions
}

export function applyPlan(client: AdminClient, plan: Plan, settings: ApplySettings = {}): Promise<void> {
  const { watcher, signal, retryForMs = 200, concurrency = 4, parts = quickRetry } = settings
  const { settle = { waitMs: 1, forMs: 2 } } = settings
  return applyChanges(
    client,
    plan,
    {
      concurrency,
      retryForMs,
      settle,
      selectTags: plan.selectTags,
      ...(signal && { signal }),
      watcher: { applied() {}, undone() {}, retrying() {}, ...watcher },
    },
    parts,
  )
}

/** Plans and applies. */
export async function applyText(
  client: AdminClient,
  text: string,
  env: Readonly<Record<string, string>> = {},
  settings: ApplySettings = {},
): Promise<Plan> {
  const plan = await planText(client, text, env)
  await applyPlan(client, plan, settings)
  return plan
}
