import assert from 'node:assert/strict'
import { packagesToUnpack } from '../../../ops/local/packages.ts'

describe('the Debian packages to unpack', () => {
  it('are those that apt would install, and what was asked for', () => {
    const simulation = [
      'Reading package lists...',
      'The following NEW packages will be installed:',
      '  erlang-base rabbitmq-server',
      'Inst erlang-base (1:25.2.3+dfsg-1 Debian:12 [amd64])',
      'Inst rabbitmq-server (3.10.8-1.1 Debian:12 [all])',
      'Conf erlang-base (1:25.2.3+dfsg-1 Debian:12 [amd64])',
    ].join('\n')
    assert.deepEqual(packagesToUnpack(simulation, ['rabbitmq-server']), ['rabbitmq-server', 'erlang-base'])
  })

  it('include one that is installed, whose program is gone', () => {
    assert.deepEqual(packagesToUnpack('', ['redis-server']), ['redis-server'])
  })

  it('leave out upgrades of libraries that the machine has', () => {
    const simulation =
      'Inst libssl3 [3.0.1] (3.0.2 Debian:12 [amd64])\nInst libpq5 [15.1] (15.2 Debian:12 [amd64])'
    assert.deepEqual(packagesToUnpack(simulation, ['postgresql']), ['postgresql', 'libpq5'])
  })

  it('leave out what a private instance does without, and never the C library', () => {
    const simulation = 'Inst logrotate (3)\nInst libllvm14 (1)\nInst libc6 (2.36)\nInst postgresql-15 (15)'
    assert.deepEqual(packagesToUnpack(simulation, []), ['postgresql-15'])
  })
})
