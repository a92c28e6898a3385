import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { sliceRows } from "../support/service.ts"

const order = ["--instrument", "NSE:INFY", "--side", "SELL", "--quantity", "1000", "--splits", "5", "--duration", "60"]

const ShownPlan = Schema.fromJsonString(
  Schema.Struct({
    seed: Schema.String,
    startsAt: Schema.String,
    slices: Schema.Array(Schema.Struct({ quantity: Schema.Int, dueAt: Schema.String }))
  })
)

describe("plan, explain and profile", () => {
  it.live("plan shows the plan of an order with the same seed; explain confirms it and detects a changed row", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const shape = ["--strategy", "front-loaded", "--risk-aversion", "3"]
        const planned = yield* pulse("plan", ...order, ...shape, "--json")
        assert.strictEqual(planned.code, 0, planned.output)
        const plan = yield* Schema.decodeEffect(ShownPlan)(planned.output)
        assert.deepStrictEqual(yield* stages, {})

        yield* pulse("halt", "--reason", "test")
        yield* startMain([], environment)
        const submitted = yield* pulse("order", "submit", ...order, ...shape, "--seed", plan.seed)
        const id = submitted.output.trim().split(" ").at(-1) ?? ""
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        const slices = yield* sliceRows(id)
        const quantities = slices.map(({ quantity }) => quantity)
        assert.deepStrictEqual(
          quantities,
          plan.slices.map(({ quantity }) => quantity)
        )

        const explained = yield* pulse("explain", id)
        assert.strictEqual(explained.code, 0, explained.output)
        assert.include(explained.output, `κT = 3, varied from seed "${plan.seed}"`)
        assert.strictEqual(explained.output.match(/the same {2}SCHEDULED/g)?.length, 5, explained.output)

        const { sql, execute } = yield* Db
        yield* execute("test.change", sql`UPDATE order_slices SET quantity = quantity + 1 WHERE sequence_number = 2`)
        const changed = yield* pulse("explain", id)
        assert.deepStrictEqual(
          [changed.code, changed.output.includes("Plan 1: slices 2 are not as planned")],
          [1, true]
        )
        const unknown = yield* pulse("explain", "nobody")
        assert.deepStrictEqual([unknown.code, unknown.output.includes('There is no order "nobody"')], [1, true])
      }).pipe(Effect.scoped)
    )
  )

  it.live("profile changes the plan of VWAP, and names errors", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, { ...quick, DATABASE_URL: url })
        const vwap = ["plan", ...order, "--strategy", "vwap", "--no-randomize", "--json"]
        const quantities = Effect.flatMap(pulse(...vwap), ({ output }) => Schema.decodeEffect(ShownPlan)(output)).pipe(
          Effect.map(({ slices }) => slices.map(({ quantity }) => quantity))
        )
        assert.deepStrictEqual(yield* quantities, [264, 168, 136, 168, 264])
        assert.strictEqual((yield* pulse("profile", "set", "NSE:INFY", "4,3,2,0.5,0.5")).code, 0)
        assert.deepStrictEqual(yield* quantities, [400, 300, 200, 50, 50])
        assert.match((yield* pulse("profile", "list")).output, /NSE:INFY +5 +4,3,2,0.5,0.5/)
        assert.strictEqual((yield* pulse("profile", "remove", "NSE:INFY")).code, 0)
        const asJson = yield* pulse("profile", "set", "NSE:TCS", "2,1", "--json")
        assert.deepStrictEqual(JSON.parse(asJson.output), { instrument: "NSE:TCS", volumes: [2, 1] })
        const removed = yield* pulse("profile", "remove", "NSE:TCS", "--json")
        assert.deepStrictEqual(JSON.parse(removed.output), { instrument: "NSE:TCS" })
        assert.deepStrictEqual(yield* quantities, [264, 168, 136, 168, 264])

        for (const [args, message] of [
          [["profile", "remove", "NSE:INFY"], "has no profile of its own"],
          [["profile", "set", "INFY", "1,2"], "must look like EXCHANGE:SYMBOL"],
          [["profile", "set", "NSE:INFY", "1,,2"], "VOLUMES must be 1 to 1000 numbers"],
          [["plan", ...order, "--strategy", "weights"], "weights: is needed for the strategy WEIGHTS"],
          [["plan", ...order, "--weights", "1,2"], "weights: must be empty but for WEIGHTS"],
          [["plan", ...order, "--strategy", "weights", "--weights", "1,-2"], "weights: "],
          [["plan", ...order, "--risk-aversion", "2"], "risk_aversion: must be empty but for"],
          [
            ["plan", ...order, "--strategy", "front-loaded", "--risk-aversion", "101"],
            "risk_aversion: must be at most"
          ],
          [["plan", ...order, "--start", "tomorrow"], "--start must be a time with its zone"],
          [["plan", ...order, "--seed", ""], "plan_seed: must have 1 to 200 characters"]
        ] as const) {
          const wrong = yield* pulse(...args)
          assert.deepStrictEqual([wrong.code, wrong.output.includes(message)], [1, true], wrong.output)
        }
      }).pipe(Effect.scoped)
    )
  )
})
