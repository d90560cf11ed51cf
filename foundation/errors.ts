/**
 * Every error that Sluice reports to a person, in one table.
 *
 * A code is `SLUICE_<AREA>_<WHAT>` and stays the same over releases. The table's text says what to do; the
 * message of a single error says what was wrong and where.
 */
export const ERRORS = {
  // settings
  SLUICE_CONFIG_INVALID: 'Correct the named settings and start again.',
  // command line
  SLUICE_CLI_USAGE: 'Run `sluice help` for the commands and their options.',
  SLUICE_CLI_FILE: 'Name a path of the right kind, in a folder that exists, which this user may use.',
  // plugins
  SLUICE_PLUGIN_INVALID: 'Correct the plugin definition; CONTRIBUTING.md shows a complete one.',
  SLUICE_PLUGIN_UNKNOWN: 'Name a plugin that `sluice dump` lists, or load its folder with --plugins.',
  SLUICE_PLUGIN_LOAD: 'Correct the module, or remove it from the --plugins folder.',
  SLUICE_PLUGIN_CONFIG: 'Correct the named fields of the plugin configuration in Kong.',
  // the PDK
  SLUICE_PDK_PHASE: 'Make the call in a phase that allows it; docs/pdk.md lists them.',
  SLUICE_PDK_UNKNOWN: 'Use a call that docs/pdk.md lists.',
  SLUICE_PDK_ARGUMENT: 'Pass arguments of the documented types.',
  SLUICE_PDK_PROTOCOL: 'Use the protocol that has the call: `sluice dump --protocol`.',
  SLUICE_PDK_BODY:
    "Share nginx's temporary folder with the plugin server, or raise nginx's client_body_buffer_size.",
  SLUICE_PDK_CLOSED: 'Await every PDK call before the phase handler returns.',
  // calls to other services
  SLUICE_FETCH_TIMEOUT: 'Check the service, or raise `timeoutMs` of the call and the deadline of the phase.',
  SLUICE_FETCH_FAILED: 'Check that the service runs and can be reached from here.',
  SLUICE_LOOPBACK_REFUSED:
    "Set SLUICE_PROXY_URL and SLUICE_LOOPBACK_SECRET, and name a path of Kong's proxy.",
  // keys of the upstream token
  SLUICE_TOKEN_KEYS:
    'Correct the folder of SLUICE_TOKEN_KEYS_DIR: `sluice token list` reads it, `sluice token rotate` adds a key.',
  SLUICE_TOKEN_JWKS: 'Check that the service publishes its public keys at that URL.',
  // the socket
  SLUICE_SOCKET_IN_USE: 'Stop the server that listens there, or choose another --socket.',
  SLUICE_SUCCESSOR_FAILED:
    'Correct what the log says, and send SIGHUP again; the old plugins are served until then.',
  SLUICE_SOCKET_FAILED: 'Check that the folder exists and that this user may write to it.',
  SLUICE_PROTOCOL_FRAME: 'The peer does not speak the protocol that the dump announced.',
  // the state store
  SLUICE_STORE_TIMEOUT: 'Check the latency to Redis, or raise SLUICE_REDIS_DEADLINE_MS.',
  SLUICE_STORE_UNAVAILABLE: 'Check that Redis runs at SLUICE_REDIS_URL.',
  // events
  SLUICE_SPOOL_FAILED: 'Check that SLUICE_SPOOL_DIR exists, is writable and has room.',
  SLUICE_EVENTS_INVALID: 'Publish events that satisfy the schema of their type.',
  SLUICE_EVENTS_DATABASE:
    'Check SLUICE_POSTGRES_URL, and that a plugin server has made the event tables there.',
  SLUICE_EVENTS_SINK: 'Check that the sink runs at its URL; what was sent already may be sent again.',
  SLUICE_EVENTS_SCHEMA: 'Use a database of its own, or the version of Sluice that made its tables.',
  // declared state
  SLUICE_STATE_INVALID: 'Correct the declared state at the named line and column.',
  SLUICE_ADMIN_UNREACHABLE: 'Check that Kong runs and that its Admin API answers at --admin-url.',
  SLUICE_ADMIN_WRONG:
    'Give --admin-url the address of the Admin API (KONG_ADMIN_LISTEN, usually port 8001), with its path prefix.',
  SLUICE_ADMIN_REFUSED: 'Kong refused the request; its own message says why.',
  SLUICE_APPLY_REFUSED:
    'Nothing was changed. What lacks the select tag belongs to others: tag it, move it, or keep it.',
  SLUICE_APPLY_FAILED: 'The changes that had been made were undone, but for those named here.',
  // the local gateway
  SLUICE_GATEWAY_CONFIG: 'Correct the named KONG_ variables.',
  SLUICE_PORT_IN_USE: 'Stop the program that listens there, or choose another port.',
  // discovery
  SLUICE_DISCOVERY_REFUSED: 'Give Kong a database, or declare the targets in its configuration file.',
  SLUICE_DISCOVERY_MARK: 'Tag the upstream with consul:SERVICE, or consul:SERVICE?tag=TAG&dc=DATACENTER.',
  SLUICE_CONSUL_UNREACHABLE: 'Check that Consul runs, has a leader, and answers at --consul-url.',
  SLUICE_CONSUL_REFUSED: 'Give a token that may read the service and its nodes: CONSUL_HTTP_TOKEN.',
  // the manager
  SLUICE_MANAGER_INVALID: 'Correct the named fields and send the request again.',
  SLUICE_MANAGER_MALFORMED: 'Send the request in the form that /v1/openapi.json describes.',
  SLUICE_MANAGER_UNAUTHENTICATED:
    'Send a token as `Authorization: Bearer …`, or log in; `sluice manager token create` makes one.',
  SLUICE_MANAGER_LOGIN: 'Check the name and the password; an admin can set another password.',
  SLUICE_MANAGER_ORIGIN:
    "Send it from the manager's own page, with the header X-CSRF-Token that GET /v1/session gives; scripts use a token.",
  SLUICE_MANAGER_FORBIDDEN: 'Ask an operator with the named role.',
  SLUICE_MANAGER_NOT_FOUND: 'Check the path; the lists under /v1 name what there is.',
  SLUICE_MANAGER_METHOD: 'Use one of the methods in the header `Allow`.',
  SLUICE_MANAGER_CONFLICT: 'Choose another value, or change the other entity first.',
  SLUICE_MANAGER_PRECONDITION: 'Read the entity again, and repeat the change with its present ETag.',
  SLUICE_MANAGER_TOO_LARGE: 'Send a smaller body, or several changes.',
  SLUICE_MANAGER_MEDIA_TYPE: 'Send application/json, or application/yaml where a file is expected.',
  SLUICE_MANAGER_TOO_MANY: 'Wait as long as the header `Retry-After` says.',
  SLUICE_MANAGER_FAILED: 'The change was undone; correct what is named, and send it again.',
  SLUICE_MANAGER_UNAVAILABLE:
    'Check what the detail names (`/readyz` names what else is missing), and try again.',
  SLUICE_MANAGER_READ_ONLY: 'Make the change where the configuration comes from, or end the read-only mode.',
  SLUICE_MANAGER_INTERNAL: 'Look into the log of the manager; nothing of the request was applied half.',
  SLUICE_MANAGER_SCHEMA: 'Use a database of its own, or the version of Sluice that made its tables.',
  SLUICE_MANAGER_DATABASE: 'Check SLUICE_MANAGER_POSTGRES_URL and that PostgreSQL runs there.',
  // services on this machine
  SLUICE_SERVICE_UNAVAILABLE: 'Set its URL in the environment, start Docker, or install its program.',
  SLUICE_PLATFORM_BUSY:
    'Wait until it has finished (`make ps` shows it), or stop it with Ctrl-C or `make down`.',
  SLUICE_PLATFORM_INTERRUPTED: 'Nothing of it is left running; `make up` starts anew.',
} as const

export type ErrorCode = keyof typeof ERRORS

/** A failure that its reader can fix: what went wrong, where, and (from the table) what to do. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  /** Facts for programs, such as `{field, value}`; never a secret. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SluiceError'
    this.code = code
    this.details = options.details ?? {}
  }

  /** What the reader should do about it. */
  get remedy(): string {
    return ERRORS[this.code]
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
