/** A seed that failed until a bug was mended, and the bug. Each is run again with every change. */
export const onceFailing: ReadonlyArray<{ readonly seed: number; readonly bug: string }> = []
