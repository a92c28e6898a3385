import { firstEndingAfter, type TradingSession } from "./TradingSession.ts"

/** How near to the open and to the close of a session no slice is due, in milliseconds. */
export interface SessionMargins {
  readonly openMillis: number
  readonly closeMillis: number
}

export const noMargins: SessionMargins = { openMillis: 0, closeMillis: 0 }

/** What the margins leave of sessions; one that is no longer than its margins is left out. */
export const withinMargins = (
  sessions: ReadonlyArray<TradingSession>,
  { openMillis, closeMillis }: SessionMargins
): ReadonlyArray<TradingSession> =>
  sessions.flatMap((session) => {
    const [opensMillis, closesMillis] = [session.opensMillis + openMillis, session.closesMillis - closeMillis]
    return opensMillis < closesMillis ? [{ opensMillis, closesMillis }] : []
  })

/** The part of sessions between two moments. */
export const sessionsBetween = (
  sessions: ReadonlyArray<TradingSession>,
  fromMillis: number,
  toMillis: number
): ReadonlyArray<TradingSession> => {
  const within: Array<TradingSession> = []
  for (let index = firstEndingAfter(sessions, fromMillis); index < sessions.length; index += 1) {
    const session = sessions[index]
    if (session === undefined || session.opensMillis >= toMillis) break
    within.push({
      opensMillis: Math.max(session.opensMillis, fromMillis),
      closesMillis: Math.min(session.closesMillis, toMillis)
    })
  }
  return within
}
