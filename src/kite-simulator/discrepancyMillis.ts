import type { Fault } from "./Faults.ts"

/** The time in milliseconds, between a second and `maxSeconds`, spread evenly over the orders of magnitude. */
const upTo = (maxSeconds: number, severity: number): number => Math.ceil(1000 * maxSeconds ** severity)

/**
 * The time of a discrepancy in milliseconds: what the script says, or a default by kind.
 *
 * - `absent`: until the order is in the order list; never.
 * - `resurrected`: from CANCELLED to COMPLETE; a second to an hour.
 * - `complete_unfilled`, `overfilled`: until the row tells the true quantity; a second to half a minute, never.
 * - `trades_fewer`, `trades_late`: until the trades are all there; never, a second to ten minutes.
 * - `cancel_refused`: from the placement, how long cancels are refused; for ever.
 * - `person_cancels`, `person_changes_quantity`: until the person acts on the open order; a second to half a minute.
 * - `person_uses_tag`, `person_invents_tag`: until the person's order is in the order list; the same.
 *
 * Infinity means never.
 */
export const discrepancyMillis = ({ kind, delayMillis, severity }: Fault): number => {
  if (delayMillis !== null) return Math.ceil(delayMillis)
  switch (kind) {
    case "resurrected":
      return upTo(3600, severity)
    case "trades_late":
      return upTo(600, severity)
    case "complete_unfilled":
    case "person_cancels":
    case "person_changes_quantity":
    case "person_uses_tag":
    case "person_invents_tag":
      return upTo(30, severity)
    default:
      return Number.POSITIVE_INFINITY
  }
}
