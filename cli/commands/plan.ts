import { planToJson, renderPlan } from '../../kong/reconcile/render.ts'
import { type FileFlags, fileCommand, planFiles, readSources, withKong } from '../wiring/declared-state.ts'

export const command = fileCommand()
  .addHelpText('after', '\nExit status: 0 no change, 2 changes, 1 an error.')
  .action(async (flags: FileFlags) => {
    const sources = await readSources(flags.file)
    const plan = await withKong(flags, client => planFiles(client, sources, flags))
    if (flags.json) process.stdout.write(`${JSON.stringify(planToJson(plan), null, 2)}\n`)
    else {
      for (const warning of plan.warnings) process.stderr.write(`warning: ${warning}\n`)
      process.stdout.write(`${renderPlan(plan, { isColoured: process.stdout.isTTY ?? false })}\n`)
    }
    process.exitCode = plan.changes.length > 0 ? 2 : 0
  })
