/** Slice numbers in words: `slice 3`, `slices 3–7, 9 and 11`. The numbers are in order, and at least one. */
export const slicesText = (numbers: ReadonlyArray<number>): string => {
  const runs: Array<{ first: number; last: number }> = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run !== undefined && number === run.last + 1) run.last = number
    else runs.push({ first: number, last: number })
  }
  const texts = runs.flatMap(({ first, last }) =>
    last - first === 1 ? [`${first}`, `${last}`] : [first === last ? `${first}` : `${first}–${last}`]
  )
  const list = texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1) ?? ""}`
  return `${numbers.length === 1 ? "slice" : "slices"} ${list}`
}
