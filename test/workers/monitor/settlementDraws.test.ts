import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../../src/db/Db.ts"
import { everyDiscrepancy, KiteSimulator } from "../../../src/kite-simulator/KiteSimulator.ts"
import { splitOrder } from "../../support/replanning.ts"
import { sliceRows } from "../../support/service.ts"
import { listen, serviceOnKite, startPasses } from "../../support/settlement.ts"

/** Orders of 30 in three slices, at a limit that the market always reaches, with each way of making up for what is unfilled. */
const plain = { total_quantity: 30, num_splits: 3, duration_minutes: 6, order_type: "LIMIT", limit_price: "90000" }
const kinds = [
  { ...plain, carry_unfilled: true },
  { ...plain, completion: "CROSS" },
  { ...plain, carry_unfilled: true, cancel_unfilled_after_seconds: 30 },
  { ...plain, completion: "CROSS", cancel_unfilled_after_seconds: 30 }
]
const orderCount = 12
const total = 30
/** A row that tells of more than was ordered is taken for contradictory, which is told of and holds nothing. */
const faults = everyDiscrepancy(0.4)

const holds = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.holds",
    Schema.Struct({
      id: Schema.String,
      holdReason: Schema.NullOr(Schema.String),
      heldAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
    }),
    sql`SELECT id, hold_reason, held_at FROM orders ORDER BY id`
  )
)

describe("orders at a broker whose records are wrong at times", () => {
  for (const seed of ["one", "two"]) {
    it.effect(`are on hold if too much is bought, and then nothing more is sent: seed ${seed}`, () => {
      const { alarms, layer } = listen()
      return Effect.gen(function* () {
        const { ledger } = yield* KiteSimulator
        for (let number = 0; number < orderCount; number++) {
          yield* splitOrder(`o${number}`, kinds[number % kinds.length])
        }
        const run = yield* startPasses
        yield* run(0, 900)
        // Later than any of the wrong records is put right.
        const runAgain = yield* startPasses
        yield* runAgain(5000, 5200)
        const { orders } = yield* ledger
        const slices = yield* sliceRows()
        const problems: Array<string> = []
        for (const { id, holdReason, heldAt } of yield* holds) {
          const own = slices.filter(({ orderId }) => orderId === id)
          const tags = new Set<string | null>(own.map(({ tag }) => tag))
          const sent = orders.filter(({ tag }) => tags.has(tag))
          const bought = sent.reduce((sum, { filledQuantity }) => sum + filledQuantity, 0)
          const met = sent.flatMap(({ fault }) => fault ?? []).join(" ")
          const known = own.reduce((sum, { filledQuantity }) => sum + filledQuantity, 0)
          const told = `${id} bought ${bought}, known ${known}, ${met}, ${holdReason}`
          if (bought > total && holdReason === null) problems.push(`too much, and not on hold: ${told}`)
          if (known !== bought && holdReason === null) problems.push(`not known, and not on hold: ${told}`)
          const heldMillis = heldAt === null ? Number.POSITIVE_INFINITY : DateTime.toEpochMillis(heldAt)
          const late = sent.filter(({ by, receivedAt }) => by === "client" && receivedAt > heldMillis)
          if (late.length > 0) problems.push(`sent ${late.length} while on hold: ${told}`)
        }
        // A cancel that is refused now and accepted then is told of at each turn.
        const twice = alarms.filter(
          (alarm, index) => alarms.indexOf(alarm) < index && !alarm.startsWith("Cancel at the broker")
        )
        assert.deepStrictEqual([problems, twice], [[], []])
      }).pipe(Effect.provide(Layer.merge(serviceOnKite({ seed, faults }), layer)))
    })
  }
})
