const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a string is a UUID in its usual form (RFC 9562), of whatever version. */
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
