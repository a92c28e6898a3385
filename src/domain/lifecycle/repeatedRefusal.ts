/** The same refusal so many times in a row puts its order on hold: the next slice would meet it, too. */
const maxEqualRefusals = 3

/** So many refusals in a row put their order on hold, whatever their words. */
export const maxRefusals = 10

/**
 * Why an order is to be put on hold after refusals of the broker, in words; null if it is not. `refusals` has the broker's words
 * about the last {@link maxRefusals} slices that it answered for, the latest first; null stands for a slice that was not refused.
 * Numbers count as equal, because a refusal may name what is missing for each slice.
 */
export const repeatedRefusal = (refusals: ReadonlyArray<string | null>): string | null => {
  const end = refusals.indexOf(null)
  const inARow = (end === -1 ? refusals : refusals.slice(0, end)).filter((words) => words !== null)
  const [latest] = inARow
  if (latest === undefined || inARow.length < maxEqualRefusals) return null
  const isEqual = (words: string) => withoutNumbers(words) === withoutNumbers(latest)
  if (inARow.slice(0, maxEqualRefusals).every(isEqual)) return refused(maxEqualRefusals, latest)
  return inARow.length >= maxRefusals ? refused(maxRefusals, latest) : null
}

const refused = (count: number, words: string): string => `the broker refused ${count} slices in a row: ${words}`

const withoutNumbers = (words: string): string => words.replaceAll(/\d+(?:[.,]\d+)*/g, "#")
