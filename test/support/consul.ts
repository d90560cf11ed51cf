/** Plays the services that are registered in a real Consul. */
export interface TestConsul {
  /** An instance with a check that somebody has to pass. */
  register(service: string, port: number, options?: RegisterOptions): Promise<void>
  setStatus(service: string, port: number, status: 'passing' | 'warning' | 'critical'): Promise<void>
  deregister(service: string, port: number): Promise<void>
}

export interface RegisterOptions {
  readonly weight?: number
  readonly tags?: readonly string[]
}

export function testConsul(url: string): TestConsul {
  const put = async (path: string, body?: object) => {
    const answer = await fetch(`${url}/v1/agent/${path}`, {
      method: 'PUT',
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
  const idOf = (service: string, port: number) => `${service}-${port}`
  return {
    register: (service, port, { weight = 1, tags = [] } = {}) =>
      put('service/register', {
        ID: idOf(service, port),
        Name: service,
        Address: '127.0.0.1',
        Port: port,
        Tags: tags,
        Weights: { Passing: weight, Warning: 1 },
        Check: { CheckID: `check-${idOf(service, port)}`, TTL: '1h', Status: 'passing' },
      }),
    setStatus: (service, port, status) =>
      put(`check/update/check-${idOf(service, port)}`, { Status: status, Output: '' }),
    deregister: (service, port) => put(`service/deregister/${idOf(service, port)}`),
  }
}
