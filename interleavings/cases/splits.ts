import { Effect } from "effect"
import { because } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { makeCompleteSplits } from "../../src/workers/splitter/completeSplits.ts"
import { actor, type Case } from "../harness/Case.ts"
import { configurationOf } from "../harness/Session.ts"
import { cancel, releaseStuck } from "./actions.ts"
import { clockAt } from "./clockAt.ts"
import {
  asked,
  at,
  claimOrders,
  completeSplits,
  firstSeeds,
  moreDays,
  orderStates,
  planned,
  sliceStates,
  submit,
  unless,
  waitForDays
} from "./world.ts"

/* Orders before they have slices. */

const twoSplitters: Case = {
  name: "two splitters claim",
  prepare: Effect.gen(function* () {
    for (const id of ["o1", "o2", "o3"]) yield* submit(id)
    return () => {
      const splitters = ["a", "b"].map((name) =>
        actor(`splitter ${name}`, claimOrders(name, 1, 2), { neverWaits: true })
      )
      return {
        actors: splitters,
        problems: Effect.sync(() => {
          const ids = splitters.flatMap(({ result }) => (result ?? []).map(({ id }) => id))
          return [
            ...unless(new Set(ids).size === ids.length, "an order was claimed twice"),
            ...unless(ids.length === 3, `${ids.length} of 3 orders were claimed`)
          ]
        })
      }
    }
  })
}

const twoSplittersOfWaiting: Case = {
  name: "two splitters take orders whose days have become known",
  prepare: Effect.gen(function* () {
    for (const id of ["o1", "o2", "o3"]) yield* submit(id)
    yield* waitForDays
    return () => {
      const splitters = ["a", "b"].map((name) =>
        actor(`splitter ${name}`, claimOrders(name, 1, 2, moreDays), { neverWaits: true })
      )
      return {
        actors: splitters,
        problems: Effect.sync(() => {
          const ids = splitters.flatMap(({ result }) => (result ?? []).map(({ id }) => id))
          return [
            ...unless(new Set(ids).size === ids.length, "an order was claimed twice"),
            ...unless(ids.length === 3, `${ids.length} of 3 orders were claimed`)
          ]
        })
      }
    }
  })
}

const claimAndCancel: Case = {
  name: "an order is cancelled while a splitter claims it",
  prepare: Effect.as(submit("o1"), () => {
    const splitter = actor("splitter", claimOrders("a", 1), { neverWaits: true })
    return {
      actors: [splitter, actor("cancel", cancel("o1", 1))],
      problems: Effect.map(orderStates, ([order]) => {
        const claimed = splitter.result?.[0]?.orderQueueStatus ?? null
        const expected = claimed ?? "SKIPPED"
        return unless(
          order?.orderQueueStatus === expected,
          `the order is ${order?.orderQueueStatus}, and the splitter was told ${claimed}`
        )
      })
    }
  })
}

/** One order, claimed two minutes ago by a splitter that has planned it. */
const stuckSplit = Effect.gen(function* () {
  yield* submit("o1")
  return yield* planned(yield* claimOrders("a"))
})

const releaseAndSplit: Case = {
  name: "a stuck split is released while its splitter writes it after all",
  prepare: Effect.map(stuckSplit, (splits) => () => {
    const splitter = actor("splitter", completeSplits(splits, 120))
    const monitor = actor("monitor", releaseStuck(120), { neverWaits: true })
    return {
      actors: [splitter, monitor],
      problems: Effect.map(orderStates, ([order]) => [
        ...unless(
          (splitter.result?.length === 1) === (order?.orderQueueStatus === "DONE"),
          `the order is ${order?.orderQueueStatus}`
        ),
        ...unless(
          (monitor.result?.length === 1) === (order?.orderQueueStatus === "PENDING"),
          `the order is ${order?.orderQueueStatus}`
        )
      ])
    }
  })
}

const twoReleases: Case = {
  name: "two monitors release a stuck split while another splitter claims",
  seeds: firstSeeds,
  prepare: Effect.as(stuckSplit, () => {
    const monitors = ["a", "b"].map((name) => actor(`monitor ${name}`, releaseStuck(120), { neverWaits: true }))
    const splitter = actor("splitter", claimOrders("b", 120), { neverWaits: true })
    return {
      actors: [...monitors, splitter],
      problems: Effect.map(orderStates, ([order]) => [
        ...unless(monitors.flatMap(({ result }) => result ?? []).length === 1, "not exactly one released it"),
        ...unless(
          (splitter.result?.length === 1) === (order?.orderQueueStatus === "IN_PROGRESS"),
          `the order is ${order?.orderQueueStatus}`
        )
      ])
    }
  })
}

const staleSplitter: Case = {
  name: "a splitter whose claim was released writes beside the next one",
  prepare: Effect.gen(function* () {
    const old = yield* stuckSplit
    yield* releaseStuck(120)
    const current = yield* planned(yield* claimOrders("b", 120), 120)
    return () => {
      const first = actor("old splitter", completeSplits(old, 121))
      const second = actor("new splitter", completeSplits(current, 121))
      return {
        actors: [first, second],
        problems: Effect.map(sliceStates, (slices) => [
          ...unless(first.result?.length === 0 && second.result?.length === 1, "the old splitter wrote its split"),
          ...unless(slices.length === 5, `${slices.length} slices are there`)
        ])
      }
    }
  })
}

const retryTwice: Case = {
  name: "two people have an order split again while its old splitter writes",
  prepare: Effect.gen(function* () {
    const splits = yield* stuckSplit
    const commands = yield* OrderCommands
    const claimVersion = splits[0]?.claimVersion ?? 0
    const reason = because("split_attempts_exhausted", "no attempt came to an end")
    yield* (yield* OrderStore).failSplits([{ id: "o1", status: "FAILED", claimVersion, reason }], at(60))
    return () => {
      const people = ["a", "b"].map((name) =>
        actor(`person ${name}`, commands.retry({ id: "o1", claimVersion }, null, asked, at(120)))
      )
      const splitter = actor("old splitter", completeSplits(splits, 120))
      return {
        actors: [...people, splitter],
        problems: Effect.map(Effect.all([orderStates, sliceStates]), ([[order], slices]) => [
          ...unless(people.filter(({ result }) => result === true).length === 1, "not exactly one person changed it"),
          ...unless(splitter.result?.length === 0 && slices.length === 0, "the old splitter wrote its split"),
          ...unless(order?.orderQueueStatus === "PENDING", `the order is ${order?.orderQueueStatus}`)
        ])
      }
    }
  })
}

interface OneOfTwo {
  readonly name: string
  /** What the second order has other than the first. */
  readonly second?: Readonly<Record<string, unknown>>
  readonly settings: Readonly<Record<string, string>>
  readonly problem: (done: number) => string
}

/** Two splitters, each with an order of its own, of which only one may be split. */
const oneOfTwo = ({ name, problem, second, settings }: OneOfTwo): Case => ({
  name,
  prepare: Effect.gen(function* () {
    yield* submit("o1")
    const one = yield* planned(yield* claimOrders("a"))
    yield* submit("o2", second)
    const two = yield* planned(yield* claimOrders("b"))
    const configuration = configurationOf(settings)
    const splitter = (splitterName: string, splits: typeof one) =>
      actor(
        splitterName,
        Effect.flatMap(makeCompleteSplits, (complete) => complete(splits)).pipe(
          clockAt(1),
          Effect.provide(configuration)
        )
      )
    return () => ({
      actors: [splitter("splitter a", one), splitter("splitter b", two)],
      problems: Effect.map(orderStates, (orders) => {
        const done = orders.filter(({ orderQueueStatus }) => orderQueueStatus === "DONE").length
        return unless(done === 1, problem(done))
      })
    })
  })
})

const dayLimit = oneOfTwo({
  name: "two splitters split the last order that the day's limit allows",
  settings: { LIMIT_ORDERS_PER_DAY: "1" },
  problem: (done) => `${done} orders are split, and the day's limit is 1`
})

const opposite = oneOfTwo({
  name: "two splitters split a BUY and a SELL of one instrument where self-trades are refused",
  second: { side: "SELL" },
  settings: { SELF_TRADE_POLICY: "refuse" },
  problem: (done) => `${done} of two opposite orders are split`
})

/** Splits of orders. */
export const splitCases: ReadonlyArray<Case> = [
  twoSplitters,
  twoSplittersOfWaiting,
  claimAndCancel,
  releaseAndSplit,
  twoReleases,
  staleSplitter,
  retryTwice,
  dayLimit,
  opposite
]
