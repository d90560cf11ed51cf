import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Counter, Registry } from 'prom-client'
import { Durations } from '../../management/live/durations.ts'
import { readExposition } from '../../management/live/exposition.ts'
import { TypeFilter } from '../../management/live/type-filter.ts'

const all = () => true

describe("Prometheus' text format", () => {
  it('is read as prom-client writes it, whatever stands in a label', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string()), { minLength: 1, maxLength: 5 }),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
        async (pairs, value) => {
          const registry = new Registry()
          const counter = new Counter({
            name: 'a_total',
            help: 'x',
            labelNames: ['one', 'two'],
            registers: [registry],
          })
          const labels = new Map(pairs.map(([one, two]) => [JSON.stringify([one, two]), { one, two }]))
          for (const each of labels.values()) counter.inc(each, value)
          const samples = [...readExposition(await registry.metrics(), all)]
          assert.deepEqual(
            samples.map(({ name, labels: read, value: n }) => [name, read, n]),
            [...labels.values()].map(each => ['a_total', each, value]),
          )
        },
      ),
      { numRuns: 200 },
    )
  })

  it('is read around what is no sample', () => {
    const text =
      '# HELP a b\n# TYPE a counter\na 1\n\nb{le="+Inf"} +Inf 1700000000\nbroken{x="1\nc{} 2\nd\nnot wanted'
    assert.deepEqual(
      [...readExposition(text, name => name.length === 1)].map(({ name, value }) => [name, value]),
      [
        ['a', 1],
        ['b', Number.POSITIVE_INFINITY],
        ['c', 2],
      ],
    )
  })
})

describe('a quantile of durations', () => {
  const BOUNDS = [5, 10, 25, 50, 100, 250, 500, 1_000]

  function observed(values: readonly number[]): Durations {
    const durations = new Durations()
    for (const bound of BOUNDS) durations.add(bound, values.filter(value => value <= bound).length)
    durations.add(Number.POSITIVE_INFINITY, values.length)
    return durations
  }

  it('lies in the bucket of the value that has that rank', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 1_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.95, 0.99),
        (values, share) => {
          const sorted = values.toSorted((a, b) => a - b)
          const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
          const upper = BOUNDS.find(bound => exact <= bound) ?? 0
          const lower = BOUNDS.filter(bound => bound < upper).at(-1) ?? 0
          const quantile = observed(values).quantile(share) ?? -1
          assert.ok(
            quantile >= lower && quantile <= upper,
            `${quantile} is not between ${lower} and ${upper}`,
          )
        },
      ),
    )
  })

  it('is that of all where counts are added', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 2_000, noNaN: true })),
        fc.array(fc.double({ min: 0, max: 2_000, noNaN: true })),
        (one, other) => {
          const sum = observed(one)
          sum.addAll(observed(other))
          assert.equal(sum.quantile(0.95), observed([...one, ...other]).quantile(0.95))
        },
      ),
    )
  })

  it('is none of nothing, and the last bound beyond it', () => {
    assert.equal(observed([]).quantile(0.5), undefined)
    assert.equal(observed([9_000]).quantile(0.5), 1_000)
  })
})

describe('a filter of types', () => {
  it('takes names and beginnings', () => {
    const filter = TypeFilter.parse('circuit.*, qos.rejected.v1')
    assert.ok(filter)
    const types = [
      'circuit.opened.v1',
      'qos.rejected.v1',
      'qos.rejected.v12',
      'circuits.v1',
      'key-auth.denied.v1',
    ]
    assert.deepEqual(
      types.filter(type => filter.matches(type)),
      ['circuit.opened.v1', 'qos.rejected.v1'],
    )
    assert.deepEqual(filter.likes, ['circuit.%', 'qos.rejected.v1'])
    assert.equal(TypeFilter.parse('a_b*')?.likes?.[0], 'a\\_b%')
    assert.equal(TypeFilter.parse('')?.matches('anything'), true)
    for (const wrong of ['*.v1', 'a b', "a'", 'x%']) assert.equal(TypeFilter.parse(wrong), undefined, wrong)
  })
})
