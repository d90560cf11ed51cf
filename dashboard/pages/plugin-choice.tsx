import { useState } from 'preact/hooks'
import { pluginNames } from '../api/entities.ts'
import { writePlace } from '../model/place.ts'
import { useResource } from '../parts/hooks.ts'
import { Empty } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'

/** Which plugin a new one is to be. */
export function PluginChoice({ query }: { query: URLSearchParams }) {
  const [text, setText] = useState('')
  const names = useResource('names of plugins', pluginNames)
  const found = names.value?.filter(name => name.includes(text.trim().toLowerCase()))
  return (
    <Page title="New plugin" lead="Choose one of the plugins that this gateway offers." of={names}>
      <form class="filters" role="search" onSubmit={event => event.preventDefault()}>
        <label>
          Search
          <input
            type="search"
            autoFocus
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
      </form>
      <ul class="choices">
        {found?.map(name => (
          <li key={name}>
            <a href={writePlace(['plugins', 'new'], { ...Object.fromEntries(query), name })}>{name}</a>
          </li>
        ))}
      </ul>
      {found?.length === 0 && <Empty>No plugin matches.</Empty>}
    </Page>
  )
}
