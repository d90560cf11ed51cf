import { Command } from 'commander'
import { readSettings } from '../../foundation/settings.ts'
import { examine, type Finding, type FindingState } from '../doctor/check.ts'
import { CHECKS } from '../doctor/doctor.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface DoctorFlags extends PluginFlags {
  readonly adminUrl?: string
  readonly json?: boolean
}

const MARKS: Readonly<Record<FindingState, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }

export const command = withPluginOptions(new Command())
  .option('--admin-url <url>', 'the Admin API of the Kong that uses this server')
  .option('--json', 'findings as JSON')
  .action(async (flags: DoctorFlags) => {
    const folders = flags.plugins.flatMap(folder => ['--plugins', folder])
    const findings = await examine(
      {
        settings: readSettings(),
        plugins: await loadAskedPlugins(flags),
        dumpCommand: [process.execPath, process.argv[1]!, 'dump', ...folders],
        adminUrl: flags.adminUrl,
      },
      CHECKS,
    )
    process.stdout.write(flags.json ? `${JSON.stringify(findings, null, 2)}\n` : findings.map(line).join(''))
    if (findings.some(finding => finding.state === 'fail')) process.exitCode = 1
  })

const line = ({ area, state, message, mend }: Finding) =>
  `${MARKS[state]}  ${area}: ${message}\n${mend === undefined ? '' : `      → ${mend}\n`}`
