import type { PlanTime } from "../market/orderTime.ts"

/** How long a completing MARKET order may stay open before its rest is sent again. */
const completionRetryMillis = 10_000

/** The window's end, or the configured lead before the venue's close, but never in the first half of the window. */
export const completeMillisOf = (
  { startMillis, endMillis, sessions }: PlanTime,
  isCompletion: boolean,
  leadMillis: number
): number => {
  const windowMillis = endMillis - startMillis
  if (isCompletion) return windowMillis + completionRetryMillis
  if (sessions === null) return windowMillis
  const missing = leadMillis - (sessions.last.closesMillis - endMillis)
  const inLastSession = endMillis - Math.max(sessions.last.opensMillis, startMillis)
  return windowMillis - Math.floor(Math.min(Math.max(missing, 0), inLastSession / 2))
}
