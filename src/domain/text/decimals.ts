import { BigDecimal } from "effect"

/** A decimal without trailing zeros. */
export const decimalText = (value: BigDecimal.BigDecimal): string => BigDecimal.format(BigDecimal.normalize(value))

/** A whole number as a decimal. */
export const whole = (count: number): BigDecimal.BigDecimal => BigDecimal.fromBigInt(BigInt(count))
