import type { Row } from '../change.ts'
import type { KindName } from '../kinds.ts'
import { isSame, normaliseCurrent } from '../normalise.ts'
import type { Schemas } from '../schemas.ts'
import type { Images } from './steps.ts'

/** Compares by the schemas of the Kong that is changed: defaults, sets without order, hashed passwords. */
export function createImages(schemas: Schemas): Images {
  return {
    shows({ kind, before, after, fields }, image, row) {
      const expected = image === 'before' ? before : after
      if (!expected || !row) return !expected && !row
      const shown: Row = normaliseCurrent(kind, row, schemas)
      const known = schemas.of(kind)?.fieldsFor(row)
      // Generated values, such as keys, are in no image after; unchanged fields do not matter.
      const names = before && !after ? Object.keys(before) : fields
      return names
        .filter(name => !isHashed(name, kind, expected))
        .every(name => isSame(shown[name], expected[name], known?.get(name)))
    },
  }
}

/** Kong hashes the secret of an OAuth 2 application with a salt of its own. */
const isHashed = (name: string, kind: KindName, { hash_secret }: Row): boolean =>
  kind === 'oauth2_credentials' && name === 'client_secret' && hash_secret === true
