/** Called before and after every commit and every request to Kong, by name. Tests kill and stop the process there. */
export type FaultPoint = (name: string) => Promise<void> | void

export const noFaults: FaultPoint = () => {}
