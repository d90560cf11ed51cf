/** Forms show the service's own words beside the field that they are about. */
import { Trouble } from './api.js'
import { SessionEnded } from './session.js'

export function showNotice(element, text) {
  element.textContent = text
  element.hidden = text === ''
}

export function clearErrors(form) {
  for (const field of form.querySelectorAll('.field')) setError(field, '')
}

function setError(field, text) {
  const input = field.querySelector('input')
  if (text === '') input.removeAttribute('aria-invalid')
  else input.setAttribute('aria-invalid', 'true')
  showNotice(field.querySelector('.error'), text)
}

/** Puts each error beside its field, and the rest into the notice. */
function showTrouble(form, notice, trouble) {
  const rest = []
  for (const { pointer = '', detail } of trouble.errors) {
    const field = form.querySelector(`.field[data-field="${CSS.escape(pointer.slice(1))}"]:not([hidden])`)
    if (field) setError(field, detail)
    else rest.push(detail)
  }
  showNotice(notice, trouble.errors.length === 0 ? trouble.message : rest.join(' '))
  form.querySelector('[aria-invalid="true"]')?.focus()
}

/**
 * Runs the work of a form; a second submit while it runs does nothing.
 *
 * @param work gets the values of the fields by their names; a Trouble that it throws is shown
 */
export function onSubmit(form, notice, work) {
  const button = form.querySelector('[type="submit"]')
  form.addEventListener('submit', async event => {
    event.preventDefault()
    if (button.getAttribute('aria-disabled') === 'true') return
    button.setAttribute('aria-disabled', 'true')
    clearErrors(form)
    showNotice(notice, '')
    try {
      await work(Object.fromEntries(new FormData(form)))
    } catch (error) {
      if (!(error instanceof Trouble)) throw error
      if (!(error instanceof SessionEnded)) showTrouble(form, notice, error)
    } finally {
      button.removeAttribute('aria-disabled')
    }
  })
}
