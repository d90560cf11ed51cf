import type { FieldSpec } from '../schema/spec.ts'
import { checkHeaderName } from './validators.ts'

/** Fields that the schemas of many plugins share. */

const HTTP_PROTOCOLS = ['grpc', 'grpcs', 'http', 'https']

/** A foreign field that must stay empty, such as the consumer of an authentication plugin. */
export const noConsumer: FieldSpec = {
  type: 'foreign',
  reference: 'consumers',
  eq: null,
  description: 'Custom type for representing a foreign key with a null value allowed.',
}

export const httpProtocols: FieldSpec = {
  type: 'set',
  required: true,
  default: HTTP_PROTOCOLS,
  elements: { type: 'string', one_of: HTTP_PROTOCOLS, len_min: 1, required: true },
  description: 'A set of strings representing HTTP protocols.',
}

export const headerName: FieldSpec = {
  type: 'string',
  description: 'A string representing an HTTP header name.',
  custom_validator: checkHeaderName,
}
