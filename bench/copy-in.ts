import type { Client, Submittable } from 'pg'

/** The calls of pg's connection that COPY needs; its types leave them out. */
interface CopyConnection {
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** Runs `copy … from stdin` with these lines, in chunks of 64 KiB or more. */
export function copyIn(client: Client, text: string, lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | undefined
    const copy = {
      submit: (connection: CopyConnection) => connection.query(text),
      handleCopyInResponse(connection: CopyConnection) {
        let chunk = ''
        for (const line of lines) {
          chunk += line
          if (chunk.length < 65_536) continue
          connection.sendCopyFromChunk(Buffer.from(chunk))
          chunk = ''
        }
        connection.sendCopyFromChunk(Buffer.from(chunk))
        connection.endCopyFrom()
      },
      handleError(error: Error) {
        failure = error
      },
      handleCommandComplete() {},
      handleReadyForQuery() {
        if (failure) reject(failure)
        else resolve()
      },
    }
    client.query(copy as unknown as Submittable)
  })
}
