import { BigDecimal } from "effect"
import { whole } from "../text/decimals.ts"

const share = BigDecimal.make(9n, 1)

/** From how much of a limit on somebody had better know: nine tenths of it. */
export const nearly = (limit: BigDecimal.BigDecimal): BigDecimal.BigDecimal => BigDecimal.multiply(limit, share)

/** The same of a limit that counts. */
export const nearlyCount = (limit: number): number => Math.ceil(BigDecimal.toNumberUnsafe(nearly(whole(limit))))

export const isNearlyUsed = (used: BigDecimal.BigDecimal, limit: BigDecimal.BigDecimal): boolean =>
  BigDecimal.isGreaterThanOrEqualTo(used, nearly(limit))
