import { Command, Option } from 'commander'
import { readSettings, type Settings } from '../../foundation/settings.ts'
import { examine, type Finding, type FindingState } from '../doctor/check.ts'
import { CHECKS } from '../doctor/doctor.ts'
import { readAddress } from '../wiring/address.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface DoctorFlags extends PluginFlags {
  readonly adminUrl?: string
  readonly socket?: string
  readonly http?: string
  readonly kongUser?: string
  readonly json?: boolean
}

const MARKS: Readonly<Record<FindingState, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }

export const command = withPluginOptions(new Command())
  .addOption(
    new Option('--admin-url <url>', "Kong's Admin API; without it Kong is not checked").env(
      'SLUICE_ADMIN_URL',
    ),
  )
  .option('--socket <path>', 'the socket of the plugin server (SLUICE_SOCKET)')
  .option('--http <host:port>', 'its metrics and health (SLUICE_HTTP)')
  .option('--kong-user <name>', "the user of Kong's workers: checks that it can reach the socket")
  .option('--json', 'print the findings as JSON')
  .addHelpText('after', '\nExit status: 0 nothing failed, 1 a check failed.')
  .action(async (flags: DoctorFlags) => {
    const folders = flags.plugins.flatMap(folder => ['--plugins', folder])
    const findings = await examine(
      {
        settings: withFlags(readSettings(), flags),
        plugins: await loadAskedPlugins(flags),
        dumpCommand: [process.execPath, process.argv[1]!, 'dump', ...folders],
        adminUrl: flags.adminUrl,
        kongUser: flags.kongUser,
      },
      CHECKS,
    )
    process.stdout.write(flags.json ? `${JSON.stringify(findings, null, 2)}\n` : findings.map(line).join(''))
    if (findings.some(finding => finding.state === 'fail')) process.exitCode = 1
  })

const withFlags = (settings: Settings, { socket, http }: DoctorFlags): Settings => ({
  ...settings,
  ...(socket !== undefined && { socket: readSettings({ SLUICE_SOCKET: socket }).socket }),
  ...(http !== undefined && { http: readAddress('--http', http) }),
})

const line = ({ area, state, message, remedy }: Finding) =>
  `${MARKS[state]}  ${area}: ${message}\n${remedy === undefined ? '' : `      → ${remedy}\n`}`
