import type { SeededChoices } from "./SeededChoices.ts"

type Theme = "none" | "late order list" | "slow calls" | "database"

/**
 * The probability of each fault at each opportunity, drawn from the seed; those of refused cancels from a stream of their own. A
 * run may have a theme: faults of one kind.
 */
export const faultRates = (chance: SeededChoices, refusals: SeededChoices) => {
  const theme = chance.oneOf<Theme>(["none", "none", "late order list", "slow calls", "database"])
  /** In two of five runs a fault is off; a theme raises its own faults to near `max`. */
  const rate = (max: number, of: Theme = "none"): number => {
    if (of !== "none" && of === theme) return max * chance.between(0.6, 1)
    return chance.hits(0.4) ? 0 : max * chance.between(0, 1) ** 2
  }
  return {
    statements: {
      lostBefore: rate(0.15, "database"),
      lostAfter: rate(0.15, "database"),
      slow: rate(0.2, "database"),
      slowestMillis: chance.between(100, 6000)
    },
    place: {
      refused: rate(0.3),
      tooFast: rate(0.3),
      credentials: rate(0.15),
      slowConnect: rate(0.6, "slow calls"),
      rejected: rate(0.15),
      answerLost: rate(0.5),
      serverError: rate(0.4),
      answerLate: rate(0.4, "slow calls"),
      answerTwice: rate(0.5),
      requestLost: rate(0.4),
      arrivalLate: rate(0.8, "late order list"),
      hidden: rate(0.5, "late order list"),
      reset: rate(0.6, "late order list")
    },
    lookUp: { failed: rate(0.4), stale: rate(1, "late order list"), slow: rate(1, "late order list") },
    cancel: {
      requestLost: rate(0.4),
      answerLost: rate(0.4),
      refused: refusals.hits(0.5) ? refusals.between(0, 0.8) : 0,
      address: refusals.hits(0.2) ? refusals.between(0, 0.3) : 0
    },
    waitForTurn: rate(1),
    notificationLost: rate(1)
  }
}

export type FaultRates = ReturnType<typeof faultRates>
