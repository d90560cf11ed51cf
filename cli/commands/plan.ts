import { planToJson, renderPlan } from '../../kong/reconcile/render.ts'
import { showNotes } from '../format/notes.ts'
import { wantsColour } from '../format/terminal.ts'
import { type StateFlags, stateCommand, withPlan } from '../wiring/declared-state.ts'

export const command = stateCommand()
  .addHelpText('after', '\nExit status: 0 no change, 2 changes, 1 an error.')
  .action(async (flags: StateFlags) => {
    await withPlan(flags, async plan => {
      showNotes(plan)
      const isColoured = wantsColour(process.stdout, process.env)
      const text = flags.json ? JSON.stringify(planToJson(plan), null, 2) : renderPlan(plan, { isColoured })
      process.stdout.write(`${text}\n`)
      process.exitCode = plan.changes.length > 0 ? 2 : 0
    })
  })
