import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { KiteSimulator, type PersonAction, type ScriptStep } from "../../../src/kite-simulator/KiteSimulator.ts"
import { OrderCommands } from "../../../src/stores/orders/OrderCommands.ts"
import { splitOrder } from "../../support/replanning.ts"
import { asked, sliceRows } from "../../support/service.ts"
import { listen, serviceOnKite, startPasses } from "../../support/settlement.ts"

/** 30 in three slices of 10, due at 0, 180 and 360 s, at a limit that the market always reaches. What is unfilled is carried. */
const carrying = {
  total_quantity: 30,
  num_splits: 3,
  duration_minutes: 6,
  order_type: "LIMIT",
  limit_price: "90000",
  carry_unfilled: true
}
/** The same; slices are cancelled ten seconds after their placement. */
const cancelling = { ...carrying, cancel_unfilled_after_seconds: 10 }

const service = serviceOnKite()
type Service = Layer.Success<typeof service>

interface Case {
  readonly name: string
  /** {@link carrying} if missing. */
  readonly order?: Readonly<Record<string, unknown>>
  /** What the first slice meets at the broker. */
  readonly fault?: ScriptStep
  /** Done at 100 s, when the first slice is placed and the second is not. */
  readonly at100?: Effect.Effect<unknown, unknown, Service>
  /** When a daemon looks again, for a hundred seconds; after the ten minutes of the first one if missing. */
  readonly again?: number
  /** The order's hold reason; null if it is not on hold. */
  readonly hold: RegExp | null
  /** An error or fatal line in the log; null if there is none. */
  readonly alarm: RegExp | null
  /** A warning in the log. */
  readonly warning?: RegExp
  /** Broker status and fill of the first slice, which is PROCESSED. `COMPLETE 10 of 10` if missing. */
  readonly first?: string
  /** How many orders the service has placed. */
  readonly placed: number
  /** What was truly bought in all. */
  readonly bought: number
}

/** The first slice is as expected; nothing else was placed after the hold. */
const held = (hold: RegExp, first: string, bought: number) => ({ hold, alarm: hold, first, placed: 1, bought })
/** Nobody is told of anything, and the whole order is bought by its three slices. */
const quiet = { hold: null, alarm: null, placed: 3, bought: 30 }

/** The same, and what the first slice lacks is bought by a fourth one. */
const carriedOn = { ...quiet, placed: 4 }

const resume = Effect.gen(function* () {
  yield* (yield* OrderCommands).resume("o1", asked, yield* DateTime.now)
})

const personDoes = (action: (tag: string) => PersonAction) =>
  Effect.gen(function* () {
    const [slice] = yield* sliceRows()
    yield* (yield* KiteSimulator).person(action(slice?.tag ?? ""))
  })

const cases: ReadonlyArray<Case> = [
  {
    name: "acknowledged, and never in the order list",
    fault: { kind: "absent" },
    ...held(/not in the order list/, "null 0 of 10", 0)
  },
  {
    name: "acknowledged, and in the order list within the quarantine",
    fault: { kind: "absent", delayMillis: 60_000 },
    ...quiet
  },
  {
    name: "acknowledged, and in the order list long after the quarantine",
    fault: { kind: "absent", delayMillis: 300_000 },
    ...held(/not in the order list/, "COMPLETE 10 of 10", 10)
  },
  {
    name: "more filled than ordered",
    fault: { kind: "overfilled", quantity: 13 },
    ...held(/13/, "UNRECOGNISED 13 of 10", 10)
  },
  {
    name: "as it should be, also when the order list of the next day has begun",
    again: 67_000,
    ...quiet
  },
  {
    name: "CANCELLED with nothing filled, carried on, and COMPLETE a minute later",
    order: cancelling,
    fault: { kind: "resurrected", delayMillis: 60_000 },
    ...held(/later slices took over 10/, "CANCELLED 0 of 10", 20),
    // What was carried on is sent before the order list tells of the fill.
    placed: 2
  },
  {
    name: "CANCELLED with nothing filled, carried on, and COMPLETE an hour later",
    order: cancelling,
    fault: { kind: "resurrected", delayMillis: 3_600_000 },
    again: 3700,
    hold: /later slices took over 10/,
    alarm: /later slices took over 10/,
    first: "CANCELLED 0 of 10",
    placed: 4,
    bought: 40
  },
  {
    name: "CANCELLED with nothing filled, not carried on, and COMPLETE a minute later",
    order: { ...cancelling, carry_unfilled: false },
    fault: { kind: "resurrected", delayMillis: 60_000 },
    ...held(/final/, "COMPLETE 10 of 10", 10)
  },
  {
    name: "CANCELLED with nothing filled, completed by a MARKET order, and COMPLETE an hour later",
    order: { ...cancelling, carry_unfilled: false, completion: "CROSS" },
    fault: { kind: "resurrected", delayMillis: 3_600_000 },
    again: 3700,
    hold: /took over 10|final/,
    alarm: /took over 10|final/,
    first: "CANCELLED 0 of 10",
    placed: 4,
    bought: 40
  },
  {
    name: "quantity raised at the broker and filled",
    fault: { kind: "person_changes_quantity", quantity: 25, delayMillis: 30_000 },
    ...held(/25/, "COMPLETE 25 of 10", 25)
  },
  {
    name: "quantity lowered at the broker and filled",
    fault: { kind: "person_changes_quantity", quantity: 4, delayMillis: 30_000 },
    ...held(/from 10 to 4/, "COMPLETE 4 of 10", 4)
  },
  {
    name: "quantity of a resting order raised at the broker",
    order: { ...carrying, limit_price: "1" },
    at100: personDoes((tag) => ({ does: "change_quantity", order: tag, quantity: 25 })),
    ...held(/from 10 to 25/, "OPEN 0 of 10", 0)
  },
  {
    name: "COMPLETE with nothing filled, and with everything three seconds later",
    fault: { kind: "complete_unfilled", quantity: 0, delayMillis: 3000 },
    ...quiet
  },
  {
    name: "COMPLETE with less than its quantity filled, and with everything half a minute later",
    fault: { kind: "complete_unfilled", quantity: 4, delayMillis: 30_000 },
    ...quiet
  },
  {
    name: "COMPLETE with nothing filled for five minutes",
    fault: { kind: "complete_unfilled", quantity: 0, delayMillis: 300_000 },
    ...quiet,
    warning: /COMPLETE with nothing filled/
  },
  {
    name: "REJECTED with a part filled",
    fault: { kind: "rejected_filled" },
    ...quiet,
    warning: /REJECTED with 5 filled/,
    first: "UNRECOGNISED 5 of 10",
    bought: 25
  },
  {
    name: "cancelled by a person at the broker",
    order: { ...carrying, completion: "CROSS" },
    fault: { kind: "person_cancels", delayMillis: 2000 },
    ...held(/cancelled/, "CANCELLED 0 of 10", 0)
  },
  {
    name: "partly filled, and cancelled by a person at the broker",
    order: { ...carrying, completion: "CROSS" },
    fault: { kind: "partial_fill" },
    at100: personDoes((tag) => ({ does: "cancel", order: tag })),
    ...held(/cancelled/, "CANCELLED 5 of 10", 5)
  },
  {
    name: "cancelled by a person at the broker, and the order is resumed by a person",
    order: { ...carrying, carry_unfilled: false },
    fault: { kind: "person_cancels", delayMillis: 2000 },
    at100: resume,
    hold: null,
    alarm: /cancelled/,
    first: "CANCELLED 0 of 10",
    placed: 3,
    bought: 20
  },
  {
    name: "cancelled by a person at the broker after a person has cancelled the order here",
    order: { ...carrying, limit_price: "1" },
    fault: { kind: "cancel_refused", delayMillis: 120_000 },
    at100: Effect.gen(function* () {
      yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
      yield* personDoes((tag) => ({ does: "cancel", order: tag }))
    }),
    hold: null,
    alarm: null,
    first: "CANCELLED 0 of 10",
    placed: 1,
    bought: 0
  },
  {
    name: "IOC, and ended by the exchange with nothing filled",
    order: { ...carrying, limit_price: "1", validity: "IOC", carry_unfilled: false },
    hold: null,
    alarm: null,
    first: "CANCELLED 0 of 10",
    placed: 3,
    bought: 0
  },
  {
    name: "its cancel refused for a while",
    order: cancelling,
    fault: { kind: "cancel_refused", delayMillis: 60_000 },
    ...carriedOn,
    first: "CANCELLED 0 of 10"
  },
  {
    name: "partly filled, cancelled by this service, and carried on",
    order: cancelling,
    fault: { kind: "partial_fill" },
    ...carriedOn,
    first: "CANCELLED 5 of 10"
  },
  {
    name: "partly filled and cancelled, while the trades say less for ever",
    order: cancelling,
    fault: { kind: "trades_fewer" },
    ...carriedOn,
    warning: /price of 5 filled is not known/,
    first: "CANCELLED 5 of 10"
  },
  {
    name: "partly filled and cancelled, while the trades come late",
    order: cancelling,
    fault: { kind: "trades_late", delayMillis: 45_000 },
    ...carriedOn,
    first: "CANCELLED 5 of 10"
  },
  {
    name: "listed twice",
    fault: { kind: "listed_twice" },
    ...quiet
  },
  {
    name: "listed with an older state beside the newer one",
    fault: { kind: "older_beside" },
    ...quiet
  },
  {
    name: "listed with an older state for one look",
    fault: { kind: "stale_row" },
    ...quiet
  },
  {
    name: "listed beside a REJECTED order with the same tag",
    fault: { kind: "rejected_twin" },
    ...quiet
  },
  {
    name: "its tag used by a person's order",
    fault: { kind: "person_uses_tag", delayMillis: 30_000 },
    ...held(/2 orders with tag|2 TIMES/, "COMPLETE 10 of 10", 20)
  },
  {
    name: "beside a person's order with a tag of the service's form",
    fault: { kind: "person_invents_tag", delayMillis: 30_000 },
    ...quiet,
    alarm: /PB[0-9A-Z]{18}/,
    bought: 40
  }
]

const matches = (text: string | null, wanted: RegExp | null, what: string) =>
  wanted === null ? assert.isNull(text, what) : assert.match(text ?? "", wanted, what)

const holdReason = Effect.gen(function* () {
  const progress = yield* (yield* OrderCommands).progress("o1")
  const { holdReason } = yield* Effect.fromOption(progress)
  return holdReason
})

/** What a person finds at the end, in the database and at the broker. */
const found = Effect.gen(function* () {
  const [slice] = yield* sliceRows("o1")
  const { orders } = yield* (yield* KiteSimulator).ledger
  return {
    first: `${slice?.stage} ${slice?.brokerStatus} ${slice?.filledQuantity} of ${slice?.quantity}`,
    placed: orders.filter(({ by }) => by === "client").length,
    bought: orders.reduce((sum, { filledQuantity }) => sum + filledQuantity, 0)
  }
})

describe("an order of which the first slice is", () => {
  for (const given of cases) {
    const { name, order = carrying, fault, at100 = Effect.void, again = 600, first = "COMPLETE 10 of 10" } = given
    it.effect(name, () => {
      const { alarms, warnings, layer } = listen()
      return Effect.gen(function* () {
        yield* splitOrder("o1", order)
        yield* (yield* KiteSimulator).script(fault === undefined ? [] : [fault])
        const run = yield* startPasses
        yield* run(0, 100)
        yield* at100
        yield* run(100, 600)
        // A restarted daemon tells nobody a second time.
        const runAgain = yield* startPasses
        yield* runAgain(again, again + 100)

        const seen = yield* found
        const hold = yield* holdReason
        const told = JSON.stringify({ ...seen, hold, alarms, warnings })
        matches(hold, given.hold, `hold in ${told}`)
        matches(alarms.length === 0 ? null : alarms.join("\n"), given.alarm, `alarm in ${told}`)
        assert.isAtMost(alarms.length, 1, `alarms in ${told}`)
        if (given.warning !== undefined) assert.match(warnings.join("\n"), given.warning, `warnings in ${told}`)
        const { placed, bought } = given
        assert.deepStrictEqual(seen, { first: `PROCESSED ${first}`, placed, bought }, told)
      }).pipe(Effect.provide(Layer.merge(service, layer)))
    })
  }
})
