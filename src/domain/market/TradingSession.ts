import { Schema } from "effect"

/** A period of continuous trading, in milliseconds since 1970; `closesMillis` is excluded. */
export const TradingSession = Schema.Struct({ opensMillis: Schema.Int, closesMillis: Schema.Int }).check(
  Schema.makeFilter(({ opensMillis, closesMillis }) => opensMillis < closesMillis || "must open before it closes")
)
export type TradingSession = typeof TradingSession.Type

/** Sessions in order that do not overlap. */
export const Sessions = Schema.Array(TradingSession).check(
  Schema.makeFilter(
    (sessions) =>
      sessions.every(({ opensMillis }, index) => (sessions[index - 1]?.closesMillis ?? opensMillis) <= opensMillis) ||
      "must be in order, none before another's end"
  )
)

/** The index of the first session that ends after a moment, by binary search; the number of sessions if none does. */
export const firstEndingAfter = (sessions: ReadonlyArray<TradingSession>, atMillis: number): number => {
  let [low, high] = [0, sessions.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const session = sessions[middle]
    if (session !== undefined && session.closesMillis <= atMillis) low = middle + 1
    else high = middle
  }
  return low
}
