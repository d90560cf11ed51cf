import { type ErrorCode, SluiceError } from '../../foundation/errors.ts'

/** One fault of a request, where it stands. */
export interface Fault {
  /** JSON pointer (RFC 6901) into the body; of a query parameter `?name`. */
  readonly pointer: string
  /** Short and stable, for programs: `required`, `unknown_field`, `taken`. */
  readonly code: string
  /** A sentence that says what is wrong and how to correct it. */
  readonly detail: string
}

const STATUS = {
  SLUICE_MANAGER_MALFORMED: [400, 'Malformed request'],
  SLUICE_MANAGER_UNAUTHENTICATED: [401, 'Not authenticated'],
  SLUICE_MANAGER_LOGIN: [401, 'Login failed'],
  SLUICE_MANAGER_ORIGIN: [403, 'Not from the page of the manager'],
  SLUICE_MANAGER_FORBIDDEN: [403, 'Not allowed'],
  SLUICE_MANAGER_NOT_FOUND: [404, 'Not found'],
  SLUICE_MANAGER_METHOD: [405, 'Method not allowed'],
  SLUICE_MANAGER_CONFLICT: [409, 'Conflict'],
  SLUICE_MANAGER_PRECONDITION: [412, 'Precondition failed'],
  SLUICE_MANAGER_TOO_LARGE: [413, 'Too large'],
  SLUICE_MANAGER_MEDIA_TYPE: [415, 'Unsupported media type'],
  SLUICE_MANAGER_INVALID: [422, 'Invalid content'],
  SLUICE_MANAGER_TOO_MANY: [429, 'Too many requests'],
  SLUICE_MANAGER_INTERNAL: [500, 'Internal error'],
  SLUICE_MANAGER_FAILED: [502, 'The change failed and was undone'],
  SLUICE_MANAGER_UNAVAILABLE: [503, 'Unavailable'],
  SLUICE_MANAGER_DATABASE: [503, 'Unavailable'],
  SLUICE_MANAGER_READ_ONLY: [503, 'Read only'],
} as const satisfies Partial<Record<ErrorCode, readonly [status: number, title: string]>>

export type ProblemCode = keyof typeof STATUS

export interface ProblemOptions {
  readonly faults?: readonly Fault[]
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A refusal of the API, sent as `application/problem+json` (RFC 9457). */
export class Problem extends SluiceError {
  readonly problemCode: ProblemCode
  readonly status: number
  readonly title: string
  readonly faults: readonly Fault[]
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, { faults = [], headers = {}, cause }: ProblemOptions = {}) {
    super(code, detail, { cause })
    this.name = 'Problem'
    this.problemCode = code
    const [status, title] = STATUS[code]
    this.status = status
    this.title = title
    this.faults = faults
    this.headers = headers
  }

  /** The body of the answer. */
  get body(): ProblemBody {
    return {
      type: `urn:sluice:problem:${this.code}`,
      title: this.title,
      status: this.status,
      detail: this.message,
      code: this.code,
      remedy: this.remedy,
      ...(this.faults.length > 0 && { errors: this.faults }),
    }
  }
}

export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly remedy: string
  readonly errors?: readonly Fault[]
}

export const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(STATUS, code)

/** A problem that was kept as its body. */
export function problemFrom(
  { code, detail, errors = [] }: Pick<ProblemBody, 'code' | 'detail' | 'errors'>,
  headers: Readonly<Record<string, string>> = {},
): Problem {
  return new Problem(isProblemCode(code) ? code : 'SLUICE_MANAGER_INTERNAL', detail, {
    faults: errors,
    headers,
  })
}
