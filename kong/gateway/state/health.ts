/** Which targets of upstreams take traffic, as the Admin API was told. A target is healthy until it is marked. */
export interface TargetHealth {
  isHealthy(targetId: string): boolean
  mark(targetId: string, healthy: boolean): void
}

export function createTargetHealth(): TargetHealth {
  const unhealthy = new Set<string>()
  return {
    isHealthy: id => !unhealthy.has(id),
    mark: (id, healthy) => void (healthy ? unhealthy.delete(id) : unhealthy.add(id)),
  }
}
