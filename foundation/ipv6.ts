/**
 * The eight groups of an IPv6 address: `::` is filled with zeros, a dotted end (`::ffff:10.0.0.1`) becomes two groups,
 * a zone (`%eth0`) is left out.
 *
 * @param address valid by `net.isIPv6`
 */
export function ipv6Groups(address: string): number[] {
  const [head = '', tail] = dottedAsGroups(address.replace(/%.*$/, '')).split('::')
  const before = groupsIn(head)
  if (tail === undefined) return before
  const after = groupsIn(tail)
  const zeros = Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0)
  return [...before, ...zeros, ...after]
}

const groupsIn = (text: string): number[] =>
  text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))

function dottedAsGroups(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.map(Number) as [number, number, number, number]
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
}
