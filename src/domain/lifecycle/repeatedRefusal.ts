/** The same refusal so many times in a row puts its order on hold: the next slice would meet it, too. */
export const maxEqualRefusals = 3

/**
 * The words by which the broker refused all of the last {@link maxEqualRefusals} slices of an order; null if it did not, or in
 * other words each time. `refusals` has the last slices that the broker answered for, the latest first; null stands for a slice
 * that was not refused. Numbers count as equal, because a refusal may name what is missing for each slice.
 */
export const repeatedRefusal = (refusals: ReadonlyArray<string | null>): string | null => {
  const last = refusals.slice(0, maxEqualRefusals)
  const [latest] = last
  if (latest === null || latest === undefined || last.length < maxEqualRefusals) return null
  return last.every((words) => words !== null && withoutNumbers(words) === withoutNumbers(latest)) ? latest : null
}

const withoutNumbers = (words: string): string => words.replaceAll(/\d+(?:[.,]\d+)*/g, "#")
