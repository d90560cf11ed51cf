import { useState } from 'preact/hooks'
import { Ask } from './ask.tsx'
import { QuietButton } from './button.tsx'

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
        <Ask
          title={question}
          action={text}
          isDanger
          onSubmit={() => onSure().then(() => setAsking(false))}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}
