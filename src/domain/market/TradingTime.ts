import { Schema } from "effect"
import { firstEndingAfter, type TradingSession, Sessions } from "./TradingSession.ts"

/**
 * The time in which a schedule runs: sessions in order that do not overlap. Null means that every moment is trading time, because
 * there is no calendar. Moments and durations are whole milliseconds, and durations are not negative.
 */
export const TradingTime = Schema.NullOr(Sessions)
export type TradingTime = typeof TradingTime.Type

/** The first open moment at or after a moment; null if none is known. */
export const firstOpen = (time: TradingTime, atMillis: number): number | null => {
  if (time === null) return atMillis
  const session = time[firstEndingAfter(time, atMillis)]
  return session === undefined ? null : Math.max(session.opensMillis, atMillis)
}

/** The trading time between two moments; 0 if the second is not after the first. */
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
 * The moment after the given trading time since another moment; null if that lies beyond the last session.
 *
 * The result is always inside a session, so that a placement then is legal. A session's close is not inside it, so a result
 * exactly there becomes the next session's open, which has the same trading time. After the last session it becomes
 * closesMillis - 1.
 *
 * The function is strictly increasing, except that the very end shares its moment with one millisecond less. Up to there
 * tradingMillisBetween is its inverse.
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
 * Cuts sessions so that they contain exactly the given trading time from a moment on; null if they contain less.
 *
 * A schedule runs in the cut sessions, so that a slice at its very end is inside the last session and not at the next day's
 * open.
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
