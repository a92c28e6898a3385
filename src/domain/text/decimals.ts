import { BigDecimal } from "effect"

/** A decimal for people, without zeros at its end. */
export const decimalText = (value: BigDecimal.BigDecimal): string => BigDecimal.format(BigDecimal.normalize(value))

/** A count as a decimal. It must be whole. */
export const whole = (count: number): BigDecimal.BigDecimal => BigDecimal.fromBigInt(BigInt(count))
