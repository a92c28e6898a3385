import { Schema } from "effect"
import { firstEndingAfter, type TradingSession, Sessions } from "./TradingSession.ts"

/**
 * The time in which a schedule runs: the sessions, in order and not overlapping. Null: every moment is trading time,
 * because no calendar is kept.
 *
 * All moments and durations here are whole milliseconds, durations not negative.
 */
export const TradingTime = Schema.NullOr(Sessions)
export type TradingTime = typeof TradingTime.Type

/** The first moment at or after this one that is open; null when none is known. */
export const firstOpen = (time: TradingTime, atMillis: number): number | null => {
  if (time === null) return atMillis
  const session = time[firstEndingAfter(time, atMillis)]
  return session === undefined ? null : Math.max(session.opensMillis, atMillis)
}

/** How long it is open between two moments; 0 when the second is not after the first. */
export const tradingMillisBetween = (time: TradingTime, fromMillis: number, toMillis: number): number => {
  if (time === null) return Math.max(0, toMillis - fromMillis)
  let total = 0
  for (let index = firstEndingAfter(time, fromMillis); index < time.length; index += 1) {
    const session = time[index]
    if (session === undefined || session.opensMillis >= toMillis) break
    total += Math.min(session.closesMillis, toMillis) - Math.max(session.opensMillis, fromMillis)
  }
  return total
}

/**
 * The moment at which it has been open for so long since another moment; null when that lies beyond the last session.
 *
 * Always a moment inside a session, so that a placement then is legal. A session's close is not inside it: what falls
 * exactly there is the next session's open, where the clock of trading shows the same. There is no next one at the
 * very end of all the time: what falls exactly there is its last open millisecond, closesMillis - 1.
 *
 * So a longer time never gives an earlier moment, and a later one always, but for that end: it shares its moment with
 * one millisecond less. Up to there tradingMillisBetween is the inverse.
 */
export const afterTrading = (time: TradingTime, fromMillis: number, tradingMillis: number): number | null => {
  if (time === null) return fromMillis + tradingMillis
  let left = tradingMillis
  let lastOpen: number | null = null
  for (let index = firstEndingAfter(time, fromMillis); index < time.length; index += 1) {
    const session = time[index]
    if (session === undefined) break
    const start = Math.max(session.opensMillis, fromMillis)
    const length = session.closesMillis - start
    if (left < length) return start + left
    left -= length
    lastOpen = session.closesMillis - 1
  }
  return left === 0 ? lastOpen : null
}

/**
 * The sessions cut so that they hold exactly so much trading from a moment on; null when they hold less.
 *
 * A schedule runs in these rather than in all that follows: then what falls on its very end is still inside its last
 * session, and not at the next day's open.
 */
export const cutTo = (
  sessions: ReadonlyArray<TradingSession>,
  fromMillis: number,
  tradingMillis: number
): ReadonlyArray<TradingSession> | null => {
  const cut: Array<TradingSession> = []
  let left = tradingMillis
  for (let index = firstEndingAfter(sessions, fromMillis); index < sessions.length && left > 0; index += 1) {
    const session = sessions[index]
    if (session === undefined) break
    const opensMillis = Math.max(session.opensMillis, fromMillis)
    const closesMillis = Math.min(session.closesMillis, opensMillis + left)
    cut.push({ opensMillis, closesMillis })
    left -= closesMillis - opensMillis
  }
  return left > 0 ? null : cut
}
