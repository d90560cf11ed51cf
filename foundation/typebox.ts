/**
 * TypeBox, by one door. It consists of about 700 small modules, which take longer to open than all else that a start
 * does; so the build puts them into this one file (ops/build/bundle-packages.mjs).
 */
export { type Static, type TObject, type TSchema, Type } from 'typebox'
export { Compile } from 'typebox/compile'
