import { messageOf } from '../../foundation/errors.ts'
import { connect } from '../../plugin-server/stores/connection.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** Redis: whether it answers in time, and keeps what limits and breakers need. */
export const checkRedis: Check = async ({ settings }) => {
  const { redisUrl, redisDeadlineMs } = settings
  if (redisUrl === undefined)
    return [
      warn(
        'redis',
        'SLUICE_REDIS_URL is not set: each node counts for itself',
        'Set it where several nodes share limits.',
      ),
    ]
  const redis = connect(redisUrl, redisDeadlineMs, 'doctor')
  redis.on('error', () => {})
  try {
    await new Promise<void>((resolve, reject) => {
      redis.once('ready', resolve)
      redis.once('error', reject)
      setTimeout(() => reject(new Error('no connection within 3 s')), 3000).unref()
    })
    const times: number[] = []
    for (let i = 0; i < 20; i++) {
      const startedAt = performance.now()
      await redis.ping()
      times.push(performance.now() - startedAt)
    }
    times.sort((a, b) => a - b)
    const findings = [judgeLatency(times[10]!, times[19]!, redisDeadlineMs)]
    const memory = String(await redis.info('memory').catch(() => ''))
    findings.push(judgeEviction(/maxmemory_policy:(\S+)/.exec(memory)?.[1]))
    return findings
  } catch (error) {
    return [
      fail('redis', `no connection: ${messageOf(error)}`, 'Check SLUICE_REDIS_URL and that Redis runs.'),
    ]
  } finally {
    redis.disconnect()
  }
}

export function judgeLatency(medianMs: number, worstMs: number, deadlineMs: number): Finding {
  const times = `median ${medianMs.toFixed(2)} ms, worst of 20 ${worstMs.toFixed(2)} ms`
  if (worstMs < deadlineMs / 2) return ok('redis', `answers: ${times}`)
  return warn(
    'redis',
    `slow for the deadline of ${deadlineMs} ms: ${times}`,
    'Use a Redis that is closer, or raise SLUICE_REDIS_DEADLINE_MS.',
  )
}

export function judgeEviction(policy: string | undefined): Finding {
  if (policy === undefined || policy === 'noeviction' || policy.startsWith('volatile-'))
    return ok('redis memory', `maxmemory-policy ${policy ?? 'unknown'}`)
  return warn(
    'redis memory',
    `maxmemory-policy ${policy} may evict counters that are in use`,
    'Set maxmemory-policy noeviction, or give Sluice a Redis of its own.',
  )
}
