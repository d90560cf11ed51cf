import { useState } from 'preact/hooks'
import { QuietButton } from './button.tsx'
import { Dialog } from './dialog.tsx'

interface SureProps {
  readonly text: string
  readonly label: string
  readonly question: string
  readonly onSure: () => Promise<unknown>
}

/** A button for what cannot be taken back. */
export function Sure({ text, label, question, onSure }: SureProps) {
  const [isAsking, setAsking] = useState(false)
  return (
    <>
      <QuietButton label={label} onClick={() => setAsking(true)}>
        {text}
      </QuietButton>
      {isAsking && (
        <Dialog title={question} onClose={() => setAsking(false)}>
          <div class="actions">
            <button
              type="button"
              class="danger"
              onClick={() => void onSure().finally(() => setAsking(false))}
            >
              {text}
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}
