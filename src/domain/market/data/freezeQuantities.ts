import type { FreezeQuantity } from "../FreezeQuantity.ts"

const nse = "NSE's circular of quantity freeze limits for indices, built in"
const bse = "ICICI Direct's list of freeze limits of 2026, built in"

const indices = ["BANKNIFTY", "NIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"] as const

/**
 * The limits of NSE's indices, in the order of {@link indices}, by the day from which each monthly circular applies (FAOP/67775 of
 * 30 April 2025, chapter 1.8; since 28 April 2026 FAOP/73928, chapter 1.9). Taken from summaries of the circulars; those from
 * September 2026 on are not known, so the last ones go on.
 */
const byMonth: ReadonlyArray<readonly [since: string, ...quantities: ReadonlyArray<number>]> = [
  ["2025-09-01", 900, 1800, 1800, 2800, 600],
  ["2025-11-03", 600, 1800, 1800, 2800, 600],
  ["2025-12-01", 600, 1800, 1200, 2800, 600],
  ["2026-01-01", 600, 1800, 1200, 2800, 600],
  ["2026-02-01", 600, 1800, 1800, 2800, 600],
  ["2026-03-02", 600, 1800, 1200, 2800, 600],
  ["2026-04-01", 900, 1800, 1800, 2800, 600],
  ["2026-05-04", 900, 1800, 1800, 2800, 600],
  ["2026-06-01", 900, 1800, 1800, 2800, 600],
  ["2026-07-01", 600, 1800, 1800, 2800, 600],
  ["2026-08-03", 600, 1800, 1800, 2800, 600]
]

/** What is known without an import. Limits of stocks and of MCX are not among it. */
export const builtInFreezeQuantities: ReadonlyArray<FreezeQuantity> = [
  ...byMonth.flatMap(([since, ...quantities]) =>
    indices.flatMap((underlying, index): ReadonlyArray<FreezeQuantity> => {
      const quantity = quantities[index]
      return quantity === undefined ? [] : [{ exchange: "NFO", underlying, quantity, since, source: nse }]
    })
  ),
  { exchange: "BFO", underlying: "SENSEX", quantity: 1000, since: "2026-01-01", source: bse },
  { exchange: "BFO", underlying: "BANKEX", quantity: 900, since: "2026-01-01", source: bse }
]
