/** An entity as Kong's tables hold it: without the fields that are not set. Routes and services bear their workspace. */
export function entityOf(entity: object, workspaceId?: string): Record<string, unknown> {
  const present = Object.entries(entity).filter(([, value]) => value !== null && value !== undefined)
  return { ...Object.fromEntries(present), ...(workspaceId !== undefined && { ws_id: workspaceId }) }
}
