/** The element of the page with that id. */
export const $ = id => document.getElementById(id)
