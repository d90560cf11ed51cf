import assert from 'node:assert/strict'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { until } from '../../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

describe('the metrics of the prometheus plugin', () => {
  let gateway: RunningGateway
  let upstream: TestUpstream
  before(async () => {
    upstream = await startUpstream((_, response) => response.end('ok'))
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
    await gateway.admin('POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
    await gateway.admin('POST', '/upstreams', { name: 'pool' })
    await gateway.admin('POST', '/upstreams/pool/targets', { target: '10.0.0.1:80' })
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
  })

  const metrics = async () => (await fetch(`${gateway.adminUrl}/metrics`)).text()
  const ask = async (target: string) => (await fetch(`${gateway.proxyUrl}${target}`)).text()

  it('tell of the node alone while the plugin is not configured', async () => {
    const response = await fetch(`${gateway.adminUrl}/metrics`)
    assert.equal(response.headers.get('content-type'), 'text/plain; charset=UTF-8')
    const text = await response.text()
    assert.match(text, /^kong_node_info\{node_id="[\da-f-]{36}",version="3\.9\.3"\} 1$/m)
    assert.match(text, /^kong_datastore_reachable 1$/m)
    assert.match(text, /^kong_nginx_connections_total\{.*state="active"\} \d+$/m)
    assert.doesNotMatch(text, /kong_http_requests_total/)
    assert.doesNotMatch(text, /kong_upstream_target_health\{/)
  })

  it('count requests by what its configuration asks for', async () => {
    await gateway.admin('POST', '/plugins', {
      name: 'prometheus',
      config: {
        status_code_metrics: true,
        latency_metrics: true,
        bandwidth_metrics: true,
        upstream_health_metrics: true,
      },
    })
    await ask('/r')
    await ask('/r')
    await ask('/nowhere')
    const counted = /^kong_http_requests_total\{(.*)\} 2$/m
    await until('two counted requests', async () => counted.test(await metrics()))
    const text = await metrics()
    assert.equal(
      counted.exec(text)?.[1],
      'service="s",route="r",code="200",source="service",workspace="default",consumer=""',
    )
    assert.match(text, /^kong_request_latency_ms_count\{.*route="r".*\} 2$/m)
    assert.match(text, /^kong_upstream_latency_ms_bucket\{le="25",.*\} \d+$/m)
    assert.match(text, /^kong_bandwidth_bytes\{.*direction="egress".*\} [1-9]\d*$/m)
    assert.match(
      text,
      /^kong_upstream_target_health\{upstream="pool",target="10\.0\.0\.1:80",address="10\.0\.0\.1:80",state="healthchecks_off",subsystem="http"\} 1$/m,
    )
    assert.doesNotMatch(text, /nowhere/)
  })
})
