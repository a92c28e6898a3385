import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Option } from "effect"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import type { ClaimedSlice, NextStage } from "../../src/domain/model/OrderSlice.ts"
import { ParticipationStore } from "../../src/stores/account/ParticipationStore.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { at, claimDue, move, splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer } from "../support/service.ts"

const limits = {
  volumeSharePercent: Option.some(BigDecimal.fromBigInt(10n)),
  volumePeriod: Duration.minutes(1),
  quoteAge: Duration.seconds(60),
  lease: Duration.minutes(2)
}

/** 500 are traded in each minute: 50 may be sent. */
const quoteAt = (seconds: number) =>
  Effect.gen(function* () {
    yield* at(seconds)
    const instrument = Instrument.make("NSE:RELIANCE")
    const quote = { instrument, lastPrice: BigDecimal.fromBigInt(100n), dayVolume: Math.round((seconds * 500) / 60) }
    yield* (yield* QuoteStore).save("test", [quote], yield* DateTime.now)
  })

/** How many of the slices are admitted. */
const admitted = (slices: ReadonlyArray<ClaimedSlice>) =>
  Effect.gen(function* () {
    const admission = yield* (yield* ParticipationStore).reserve(slices, { ...limits, now: yield* DateTime.now })
    return admission.admitted.length
  })

const becomes = (slice: ClaimedSlice | undefined, next: NextStage) =>
  move([slice ?? assert.fail("nothing was claimed")], () => next)
const back = { _tag: "Rescheduled", code: "gate_closed", reason: "given back", notBefore: null } as const
const refused = { _tag: "Failed", code: "broker_refused", reason: "refused" } as const
const unknown = { _tag: "Unknown", code: "outcome_unknown", reason: "no answer" } as const
const placed = { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null } as const

describe("a reservation of the volume", () => {
  it.effect(
    "counts while its slice is claimed or in doubt, and for the period after it was sent; not if it was not",
    () =>
      Effect.gen(function* () {
        yield* splitOrder("o1", { total_quantity: 140, num_splits: 7 })
        yield* quoteAt(0)
        yield* quoteAt(60)
        const [first, second, third, fourth, , , last] = yield* claimDue()
        const one = (slice: ClaimedSlice | undefined) => admitted(slice === undefined ? [] : [slice])
        assert.deepStrictEqual([yield* one(first), yield* one(second), yield* one(third)], [1, 1, 0])
        // The same slice again takes nothing more.
        assert.strictEqual(yield* one(second), 1)
        yield* becomes(second, back)
        assert.deepStrictEqual([yield* one(third), yield* one(fourth)], [1, 0])
        yield* becomes(third, refused)
        yield* becomes(first, unknown)
        assert.deepStrictEqual([yield* one(fourth), yield* one(last)], [1, 0])

        yield* becomes(fourth, placed)
        yield* quoteAt(119)
        assert.strictEqual(yield* one(last), 0)
        yield* quoteAt(120)
        assert.strictEqual(yield* one(last), 1)
      }).pipe(Effect.provide(serviceLayer({ broker: scriptedBroker })))
  )
})
