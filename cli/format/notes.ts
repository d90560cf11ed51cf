/** Writes what a person should know beside the result to stderr. */
export function showNotes({
  notices,
  warnings,
}: {
  readonly notices: readonly string[]
  readonly warnings: readonly string[]
}): void {
  for (const notice of notices) process.stderr.write(`note: ${notice}\n`)
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
}
