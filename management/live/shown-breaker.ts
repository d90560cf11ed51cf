import type { ManagedBreaker } from '../../plugins/circuit-breaker/management.ts'

/** A breaker as JSON, for `sluice breaker` and the API. */
export function shownBreaker({ key, snapshot }: ManagedBreaker): Readonly<Record<string, unknown>> {
  const { totals, mode } = snapshot
  return {
    breaker: key,
    name: snapshot.name || null,
    state: snapshot.phase,
    generation: snapshot.generation,
    since_ms: snapshot.generation === 0 ? null : snapshot.elapsedMs,
    remaining_ms: snapshot.remainingMs,
    idle_ms: snapshot.idleMs ?? null,
    cause: snapshot.cause ?? null,
    attempt: snapshot.attempt,
    probes: {
      under_way: snapshot.leases,
      late: snapshot.late,
      succeeded: snapshot.succeeded,
      failed: snapshot.failed,
    },
    window: { calls: totals.calls, failures: totals.failures, slow: totals.slow, nodes: totals.nodes },
    mode: mode.mode,
    mode_remaining_ms: mode.mode === 'auto' ? 0 : mode.remainingMs,
    actor: mode.sequence > 0 ? mode.actor : null,
    reason: mode.sequence > 0 ? mode.reason : null,
  }
}
