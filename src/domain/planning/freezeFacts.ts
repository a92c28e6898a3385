import type { FreezeFacts } from "../limits/freezeLimits.ts"
import type { InstrumentFacts } from "./planOrder.ts"

/** The part of an instrument's facts that decides its freeze limit. */
export const freezeFactsOf = ({ listing, freezes }: InstrumentFacts): FreezeFacts => ({
  details: listing?._tag === "Listed" ? listing.details : null,
  imported: freezes
})
