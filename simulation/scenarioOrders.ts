import { BigDecimal } from "effect"
import type { OrderType } from "../src/domain/model/Order.ts"
import type { Scenario } from "./Scenario.ts"
import type { SeededChoices } from "./SeededChoices.ts"

export const ordersOf = (chance: SeededChoices, startMillis: number): Scenario["orders"] =>
  Array.from({ length: chance.whole(1, 4) }, (_, index) => {
    const insertedAtSeconds = chance.hits(0.6) ? 0 : chance.between(0, 10)
    const numSplits = chance.hits(0.1) ? chance.whole(20, 40) : chance.whole(1, 12)
    const orderType = chance.oneOf<OrderType>(["MARKET", "LIMIT"])
    const isInvalid = chance.hits(0.05)
    // Four of five orders arrive with their window nearly over, which shortens the run.
    const ageMillis = chance.hits(0.8) ? chance.between(25_000, 58_000) : chance.between(0, 3)
    return {
      id: `o${index}`,
      insertedAtSeconds,
      createdAt: startMillis + Math.round((insertedAtSeconds * 1000 - ageMillis) * 1000) / 1000,
      instrument: isInvalid ? "nonsense" : chance.oneOf(["NSE:INFY", "BSE:SBIN"]),
      side: chance.oneOf(["BUY", "SELL"]),
      orderType,
      limitPrice: orderType === "LIMIT" ? BigDecimal.make(BigInt(chance.whole(9000, 11_000)), 2) : null,
      productType: "CNC",
      validity: chance.oneOf(["DAY", "IOC"]),
      totalQuantity: numSplits * chance.whole(1, 20) + chance.whole(0, 3),
      numSplits,
      durationMinutes: chance.hits(0.3) ? 0 : 1,
      randomize: chance.hits(0.5),
      strategy: "TWAP",
      riskAversion: null,
      weights: null,
      planSeed: null,
      latenessPolicy: chance.oneOf(["SEND", "SEND", "SKIP", "RESPREAD"]),
      maxLatenessSeconds: chance.hits(0.5) ? chance.whole(1, 20) : null,
      cancelUnfilledAfterSeconds: chance.hits(0.3) ? chance.whole(1, 15) : null,
      carryUnfilled: chance.hits(0.3),
      carryRejected: chance.hits(0.3),
      completion: chance.hits(0.25) ? "CROSS" : "REPORT",
      sessionPolicy: "SAME_DAY",
      algoId: null
    }
  })
