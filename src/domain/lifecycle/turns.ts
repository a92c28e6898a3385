import { defaultMaxLatenessSeconds } from "../model/Order.ts"

/**
 * Whose turn it is when more slices are due than can be sent. If it were the one that has waited longest, a flood would delay
 * everything that becomes due after it. Most turns go to the slice that became due last, so that what can be on time is on time;
 * every fifth goes to the slice that has waited longest, so that none waits for ever. Slices that are later than
 * {@link recentMillis} are sent in the order of their due times, and so are a few that wait.
 *
 * The claims (`claimDue`), the queue of claimed slices (`DueQueue`) and the wait for the account's rate (`waitForTurn`) keep
 * to it.
 */

/** What waits for its turn. */
export interface Waiting {
  /** Since when it is due, in milliseconds since 1970. */
  readonly notBeforeMillis: number
}

/** For how long the slices that became due last go first: the lateness that an order allows unless it says otherwise. */
export const recentMillis = defaultMaxLatenessSeconds * 1000

/** How many may wait without changing the order of due times. */
const few = 3

/** Every turn whose number is a multiple of this goes to what has waited longest. */
const turnsForLongest = 5

const lateMillis = 1000

/** Whether it can no longer be on time. */
export const isLate = ({ notBeforeMillis }: Waiting, nowMillis: number): boolean =>
  nowMillis - notBeforeMillis > lateMillis

/**
 * Who has the turn of this number: an index of `waiting`, which is sorted by due time from the index `from` on; null if nothing is due.
 * Of several with the same due time the first has it.
 */
export const nextTurn = (waiting: ReadonlyArray<Waiting>, nowMillis: number, turn: number, from = 0): number | null => {
  const due = countDue(waiting, nowMillis, from)
  const latest = waiting[from + due - 1]
  if (due === 0 || latest === undefined) return null
  if (due <= few || turn % turnsForLongest === 0 || nowMillis - latest.notBeforeMillis > recentMillis) return from
  return firstWhere(waiting, (millis) => millis >= latest.notBeforeMillis, from)
}

/** How many of `waiting`, which is sorted by due time from the index `from` on, are due. */
export const countDue = (waiting: ReadonlyArray<Waiting>, nowMillis: number, from = 0): number =>
  firstWhere(waiting, (millis) => millis > nowMillis, from) - from

/** Binary search: the first index from `first` on whose due time fulfils a condition that later due times fulfil, too. */
const firstWhere = (waiting: ReadonlyArray<Waiting>, isSo: (dueMillis: number) => boolean, first: number): number => {
  let [from, to] = [first, waiting.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (isSo(waiting[middle]?.notBeforeMillis ?? Infinity)) to = middle
    else from = middle + 1
  }
  return from
}
