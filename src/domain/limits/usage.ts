import { BigDecimal } from "effect"
import { whole } from "../text/decimals.ts"

const share = BigDecimal.make(9n, 1)

/** The usage of a limit from which people are warned: nine tenths. */
export const nearly = (limit: BigDecimal.BigDecimal): BigDecimal.BigDecimal => BigDecimal.multiply(limit, share)

/** The same for a limit that is a count. */
export const nearlyCount = (limit: number): number => Math.ceil(BigDecimal.toNumberUnsafe(nearly(whole(limit))))

export const isNearlyUsed = (used: BigDecimal.BigDecimal, limit: BigDecimal.BigDecimal): boolean =>
  BigDecimal.isGreaterThanOrEqualTo(used, nearly(limit))
