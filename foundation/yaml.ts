/** yaml, by one door: about 80 modules, which the build puts into this one file (ops/build/bundle-packages.mjs). */
export {
  Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parse,
  parseDocument,
  type Scalar,
  type ScalarTag,
  stringify,
  visit,
  YAMLParseError,
} from 'yaml'
