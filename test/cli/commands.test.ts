import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { freshDatabase } from "../support/database.ts"
import { eventually, runMain, startMain, urlOf } from "../support/processes.ts"

type Pulse = (
  ...args: ReadonlyArray<string>
) => Effect.Effect<{ readonly code: number | string; readonly output: string }>

/** Runs the command line on a fresh database; `pulse` is one invocation. */
const withPulse = <A, E>(
  body: (pulse: Pulse, environment: Readonly<Record<string, string>>) => Effect.Effect<A, E>,
  from: "migrated" | "empty" = "migrated"
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const environment = {
        DATABASE_URL: urlOf(yield* freshDatabase(from)),
        BROKER_POLL_INTERVAL_SECONDS: "0.2",
        SLICE_EXECUTOR_POLL_INTERVAL_SECONDS: "0.2"
      }
      return yield* body((...args) => runMain(args, environment), environment)
    })
  )

const order = [
  "--instrument",
  "NSE:RELIANCE",
  "--side",
  "BUY",
  "--quantity",
  "100",
  "--splits",
  "4",
  "--duration",
  "60"
]

const Submitted = Schema.fromJsonString(Schema.Struct({ orderId: Schema.String, isNew: Schema.Boolean }))
const submit = (pulse: Pulse, ...more: ReadonlyArray<string>) =>
  Effect.flatMap(pulse("order", "submit", ...order, "--json", ...more), ({ output }) =>
    Schema.decodeEffect(Submitted)(output)
  )

const Shown = Schema.fromJsonString(
  Schema.Struct({
    state: Schema.String,
    orderQueueStatus: Schema.String,
    statusReason: Schema.NullOr(Schema.String),
    filledQuantity: Schema.Number,
    sliceList: Schema.Array(Schema.Struct({ stage: Schema.String, quantity: Schema.Number }))
  })
)
const show = (pulse: Pulse, id: string) =>
  Effect.flatMap(pulse("order", "show", id, "--json"), ({ output }) => Schema.decodeEffect(Shown)(output))

describe("the command line", () => {
  it.live("order submit: returns the same order for the same key, and fails for other data", () =>
    withPulse((pulse) =>
      Effect.gen(function* () {
        const first = yield* submit(pulse, "--key", "morning")
        assert.isTrue(first.isNew)
        assert.deepStrictEqual(yield* submit(pulse, "--key", "morning"), { ...first, isNew: false })
        assert.notStrictEqual((yield* submit(pulse)).orderId, first.orderId)

        const clash = yield* pulse("order", "submit", ...order, "--key", "morning", "--no-randomize")
        assert.strictEqual(clash.code, 1)
        assert.include(clash.output, `belongs to order ${first.orderId}, which differs in randomize (true, now false)`)
        const actions = yield* pulse("actions", "--order", first.orderId)
        assert.match(actions.output, /^WHEN[^\n]*\n[^\n]* order submit +\S+ +no reason given +key morning\n$/)
        const list = yield* pulse("order", "list")
        assert.strictEqual(list.output.match(/NSE:RELIANCE/g)?.length, 2)
      })
    )
  )

  it.live("order submit: refuses invalid input in plain words, and changes nothing", () =>
    withPulse((pulse) =>
      Effect.gen(function* () {
        const invalid: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["--instrument", "RELIANCE"], "instrument: must look like EXCHANGE:SYMBOL"],
          [["--quantity", "3"], "total_quantity: is 3, less than one for each of the 4 slices"],
          [["--splits", "1001", "--quantity", "5000"], "num_splits: must be a whole number from 1 to 1000, not 1001"],
          [["--type", "LIMIT"], "limit_price: is needed for a LIMIT order"],
          [["--type", "LIMIT", "--limit-price", "cheap"], "limit_price: "],
          [["--side", "HOLD"], "HOLD"],
          [["--quantity", "many"], "many"]
        ]
        for (const [changed, said] of invalid) {
          // The changed flags replace the valid ones.
          const names = new Set(changed.filter((_, index) => index % 2 === 0))
          const rest = order.filter((_, index) => !names.has(order[index - (index % 2)] ?? ""))
          const { code, output } = yield* pulse("order", "submit", ...rest, ...changed)
          assert.strictEqual(code, 1, output)
          assert.include(output, said)
        }
        assert.include((yield* pulse("order", "list")).output, "There are no orders")
      })
    )
  )

  it.live("with a daemon: show, watch and health; cancel keeps placed slices and skips the rest", () =>
    withPulse((pulse, environment) =>
      Effect.gen(function* () {
        yield* startMain([], environment)
        yield* eventually("healthy", pulse("health"), ({ code }) => code === 0)

        const { orderId } = yield* submit(pulse, "--no-randomize")
        yield* eventually("the first slice is filled", show(pulse, orderId), (shown) => shown.filledQuantity > 0)
        const cancelled = yield* pulse("order", "cancel", orderId)
        assert.strictEqual(cancelled.code, 0, cancelled.output)
        assert.include(cancelled.output, "cancelled: 3 slices will not be placed, 1 were placed")
        const shown = yield* show(pulse, orderId)
        assert.deepStrictEqual(
          shown.sliceList.map(({ stage }) => stage),
          ["PROCESSED", "SKIPPED", "SKIPPED", "SKIPPED"]
        )
        const again = yield* pulse("order", "cancel", orderId)
        assert.deepStrictEqual([again.code, again.output.includes("nothing to cancel")], [1, true])

        const watched = yield* pulse("order", "watch", orderId)
        assert.strictEqual(watched.code, 0)
        assert.include(watched.output, "1/4 placed")
        assert.include((yield* pulse("order", "watch")).output, "No order is active")
      }).pipe(Effect.scoped)
    )
  )

  it.live("without a daemon: health fails, and cancel before the split skips the order", () =>
    withPulse((pulse) =>
      Effect.gen(function* () {
        const health = yield* pulse("health", "--json")
        assert.strictEqual(health.code, 1)
        assert.include(health.output, '"healthy": false')

        const { orderId } = yield* submit(pulse)
        assert.strictEqual((yield* pulse("order", "cancel", orderId)).code, 0)
        const shown = yield* show(pulse, orderId)
        assert.deepStrictEqual([shown.orderQueueStatus, shown.state], ["SKIPPED", "cancelled"])
      })
    )
  )

  it.live("names unknown orders, misspelt commands and missing options", () =>
    withPulse((pulse) =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["order", "show", "nope"], 'There is no order "nope"'],
          [["order", "cancel", "nope"], 'There is no order "nope"'],
          [["order", "watch", "nope"], 'There is no order "nope"'],
          [["order", "shw", "x"], "show"],
          [["order", "submit"], "instrument"]
        ]
        for (const [args, said] of cases) {
          const { code, output } = yield* pulse(...args)
          assert.strictEqual(code, 1, args.join(" "))
          assert.include(output, said)
        }
      })
    )
  )

  it.live("migrate sets up an empty database; other commands ask for it until then", () =>
    withPulse(
      (pulse) =>
        Effect.gen(function* () {
          const early = yield* pulse("order", "list")
          assert.strictEqual(early.code, 1)
          assert.include(early.output, "migrate")
          assert.include((yield* pulse("migrate")).output, "Applied 0001_orders")
          assert.include((yield* pulse("migrate")).output, "The database is up to date")
          assert.strictEqual((yield* pulse("order", "list")).code, 0)
        }),
      "empty"
    )
  )

  it.live("every command has a help text", () =>
    Effect.gen(function* () {
      for (const command of [
        "",
        "run",
        "migrate",
        "health",
        "order",
        "order submit",
        "order list",
        "order show",
        "order watch",
        "order cancel"
      ]) {
        const { code, output } = yield* runMain([...command.split(" ").filter((word) => word !== ""), "--help"], {})
        assert.strictEqual(code, 0, command)
        assert.include(output, "DESCRIPTION", command)
      }
    })
  )
})
