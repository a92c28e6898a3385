import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { splitOrder } from "../support/replanning.ts"
import { sliceRows } from "../support/service.ts"
import { listen, serviceOnKite, startPasses } from "../support/settlement.ts"

/** Twenty seconds before the pre-open of Tuesday, 1 December 2026. */
const service = serviceOnKite({ marketHours: true, startsAtMillis: Date.parse("2026-12-01T08:59:40+05:30") })

describe("an order that is too early for the exchange", () => {
  it.effect(
    "loses no slice: what is refused for now is placed once the exchange takes it, and filled at the open",
    () => {
      const { alarms, layer } = listen()
      return Effect.gen(function* () {
        yield* splitOrder("o1", { total_quantity: 30, num_splits: 3, duration_minutes: 1 })
        const passes = yield* startPasses
        yield* passes(0, 70)
        yield* Effect.flatMap(KiteSimulator, ({ advanceClock }) => advanceClock(Duration.minutes(15)))
        yield* passes(75, 80)
        const rows = yield* sliceRows()
        assert.deepStrictEqual(
          rows.map(({ stage, brokerStatus, filledQuantity }) => `${stage} ${brokerStatus} ${filledQuantity}`),
          ["PROCESSED COMPLETE 10", "PROCESSED COMPLETE 10", "PROCESSED COMPLETE 10"]
        )
        const { orders, requests, tagsWithTwoOrders } = yield* Effect.flatMap(KiteSimulator, ({ summary }) => summary)
        assert.deepStrictEqual([orders, tagsWithTwoOrders, requests.refused], [3, [], 4])
        assert.deepStrictEqual(alarms, [])
      }).pipe(Effect.provide(layer), Effect.provide(service))
    }
  )
})
