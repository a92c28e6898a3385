import { slicesText } from "../../report/words.ts"

/** A slice, and why its open order is not cancelled; null if nothing is to be said. */
export interface UncancelledSlice {
  readonly sequenceNumber: number
  readonly cancel: string | null
}

/** Why open orders are not cancelled, one line for all slices of which the same is to be said. */
export const cancelLines = (slices: ReadonlyArray<UncancelledSlice>): ReadonlyArray<string> => {
  const groups = new Map<string, Array<number>>()
  for (const { sequenceNumber, cancel } of slices) {
    if (cancel !== null) groups.set(cancel, [...(groups.get(cancel) ?? []), sequenceNumber])
  }
  const lines = [...groups].map(([text, numbers]) => `${capitalized(slicesText(numbers))}: ${text}`)
  return lines.length === 0 ? [] : ["", ...lines]
}

const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)
