import path from 'node:path'
import { confirm } from './confirm.ts'
import { projectFolder } from './folders.ts'
import { obtainPython, type Python } from './python.ts'

/**
 * A Python that has schemathesis, for the tests of documented APIs.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE where it cannot be fetched
 */
export function obtainSchemathesis(say: (line: string) => void): Promise<Python> {
  const requirements = path.join(projectFolder(), 'test', 'flask-sample', 'schemathesis.txt')
  return obtainPython(requirements, [], { say, confirm })
}
