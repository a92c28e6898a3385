import { BigDecimal } from "effect"

export const samePrice = (a: BigDecimal.BigDecimal | null, b: BigDecimal.BigDecimal | null): boolean =>
  a === null || b === null ? a === b : BigDecimal.equals(a, b)
