/** What routing reads of a route and of a request. */

export interface Endpoint {
  readonly ip?: string | null
  readonly port?: number | null
}

/** The fields of a route that routing reads; a null or empty one is no criterion. */
export interface RouteFields {
  readonly id: string
  readonly protocols?: readonly string[] | null
  readonly methods?: readonly string[] | null
  readonly hosts?: readonly string[] | null
  readonly paths?: readonly string[] | null
  readonly headers?: Readonly<Record<string, readonly string[]>> | null
  readonly snis?: readonly string[] | null
  readonly sources?: readonly Endpoint[] | null
  readonly destinations?: readonly Endpoint[] | null
  readonly regex_priority?: number | null
  readonly strip_path?: boolean | null
  /** Of a route of the flavor `expressions`; then nothing else is a criterion. */
  readonly expression?: string | null
  readonly priority?: number | null
}

/** A request as far as routing needs it. */
export interface RouteQuery {
  readonly method: string
  /** The target of the request line. */
  readonly requestUri: string
  /** The Host header as it was sent, port and all. */
  readonly hostHeader: string
  readonly clientIp: string
  readonly clientPort: number
  readonly serverIp: string
  readonly serverPort: number
  readonly scheme: 'http' | 'https'
  /** The server name of the TLS handshake (SNI). */
  readonly serverName: string | undefined
  /** Arguments; `true` stands for one without `=`. */
  readonly query: Readonly<Record<string, unknown>>
  /** A header by its name in lower case; several of one name as a list. */
  header(name: string): string | readonly string[] | undefined
}

export interface RoutedRequest {
  readonly asked: RouteQuery
  readonly host: string
  /** The port that stands in the Host header. */
  readonly hostPort: number | undefined
  readonly path: string
}
