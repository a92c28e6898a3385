import { inputError, type KiteError } from "./reply.ts"

/** The freeze quantity and lot size of each derivative, as of February 2026. */
const derivatives: ReadonlyArray<readonly [underlying: string, freeze: number, lot: number]> = [
  ["NIFTYNXT50", 600, 25],
  ["BANKNIFTY", 600, 30],
  ["FINNIFTY", 1200, 60],
  ["MIDCPNIFTY", 2800, 140],
  ["NIFTY", 1755, 65],
  ["SENSEX", 1000, 20],
  ["BANKEX", 900, 30]
]
const equityFreeze = 100_000

interface FreezeSubject {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly quantity: number
}

/** The refusal of an order above the freeze quantity; null if it is not above. */
export const freezeProblem = (request: FreezeSubject): KiteError | null => {
  const limits = limitsOf(request)
  if (limits === null || request.quantity <= limits.freeze) return null
  const lotsOf = (quantity: number) => `${quantity} (${Math.floor(quantity / limits.lot)} lots)`
  return inputError(
    `The order quantity ${lotsOf(request.quantity)} is higher than the maximum quantity of ${lotsOf(limits.freeze)} ` +
      "allowed by the exchanges."
  )
}

const limitsOf = ({ exchange, tradingsymbol }: FreezeSubject) => {
  if (exchange === "NSE" || exchange === "BSE") return { freeze: equityFreeze, lot: 1 }
  if (exchange !== "NFO" && exchange !== "BFO") return null
  // The year follows the underlying, which tells NIFTY's contracts from those of NIFTYNXT50.
  const found = derivatives.find(([underlying]) => new RegExp(`^${underlying}\\d\\d`).test(tradingsymbol))
  return found === undefined ? null : { freeze: found[1], lot: found[2] }
}
