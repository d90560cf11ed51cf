import assert from 'node:assert/strict'
import { type Sample, START_MS, useSample } from '../support/services.ts'

interface Sense {
  readonly definition: string
  readonly synonyms: string[]
  readonly antonyms: string[]
  readonly examples: string[]
}

interface Answer {
  readonly data: { readonly word: string; readonly meanings: Record<string, Sense[]> }
  readonly status: string
  readonly words: number
}

describe('the sample dictionary', () => {
  let sample: Sample
  before(async function () {
    this.timeout(START_MS)
    sample = await useSample()
  })
  afterEach(() => sample.behave({ mode: 'ok' }))
  after(() => sample.close())

  const get = async (path: string) => {
    const answer = await fetch(`${sample.url}${path}`)
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      body: (await answer.json()) as Answer,
    }
  }

  it('welcomes at its root', async () => {
    assert.deepEqual(await get('/'), {
      status: 200,
      type: 'application/json',
      body: { data: 'Welcome to dictionary' },
    })
  })

  it("gives a word's meanings by part of speech", async () => {
    const { status, body } = await get('/good')
    const { word, meanings } = body.data
    assert.equal(status, 200)
    assert.equal(word, 'good')
    assert.deepEqual(Object.keys(meanings), ['noun', 'adjective', 'adverb'])
    const benevolence = meanings.noun?.find(({ definition }) => definition.startsWith('moral excellence'))
    assert.deepEqual(benevolence, {
      definition: 'moral excellence or admirableness',
      synonyms: ['goodness'],
      antonyms: ['evil'],
      examples: ['there is much good to be found in people'],
    })
  })

  it('finds a word however it is capitalised', async () => {
    assert.equal((await get('/HeLLo')).body.data.word, 'hello')
  })

  for (const path of ['/xyzzy', '/no/such/place', '/caf%C3%A9', '/%00'])
    it(`answers 404 as JSON for ${path}`, async () => {
      const { status, type } = await get(path)
      assert.deepEqual({ status, type }, { status: 404, type: 'application/json' })
    })

  it('tells how many words it knows as its health', async () => {
    const { body } = await get('/health')
    assert.equal(body.status, 'ok')
    assert.ok(body.words > 3_000)
  })

  describe('with its failure switch', () => {
    it('fails with the chosen status, but stays healthy', async () => {
      await sample.behave({ mode: 'fail', status: 503 })
      assert.equal((await get('/good')).status, 503)
      assert.equal((await get('/health')).status, 200)
    })

    it('answers late', async () => {
      await sample.behave({ mode: 'slow', delay_ms: 60_000 })
      const late = get('/good')
      const first = await Promise.race([
        late.then(() => 'answer'),
        fetch(`${sample.url}/health`).then(() => 'health'),
      ])
      assert.equal(first, 'health')
      await sample.behave({ mode: 'ok' })
      assert.equal((await late).status, 200)
    })

    it('hangs until the mode changes, and answers then', async () => {
      await sample.behave({ mode: 'hang' })
      const hanging = get('/good')
      const first = await Promise.race([hanging.then(() => 'answer'), get('/health').then(() => 'health')])
      assert.equal(first, 'health')
      await sample.behave({ mode: 'ok' })
      assert.equal((await hanging).status, 200)
    })

    it('refuses connections, and listens again', async () => {
      await sample.behave({ mode: 'refuse' })
      await assert.rejects(get('/good'), { message: 'fetch failed' })
      await sample.behave({ mode: 'ok' })
      assert.equal((await get('/good')).status, 200)
    })

    it('names a wrong field', async () => {
      await assert.rejects(
        sample.behave({ mode: 'fail', status: 200 }),
        /status: must be a whole number from 400/,
      )
      await assert.rejects(sample.behave({ mode: 'sleep' as 'slow' }), /mode: must be one of ok, fail, slow/)
    })

    it('is out of reach at the public address', async () => {
      assert.equal((await get('/_control')).status, 404)
    })
  })
})
