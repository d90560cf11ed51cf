import assert from 'node:assert/strict'
import { hashPassword } from '../../../kong/entities/basic-auth.ts'

describe('a basic-auth password', () => {
  it('is hashed as Kong 3.9.3 does', () => {
    assert.equal(
      hashPassword('pw', '25681936-b9a5-44c9-917e-5b9c30ec5a43'),
      '564b82397e60110ba257ed9e5660014c6e21c0c2',
    )
  })
})
