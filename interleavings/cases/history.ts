import { Duration, Effect, Option } from "effect"
import { Db } from "../../src/db/Db.ts"
import type { Tag } from "../../src/domain/model/Ids.ts"
import type { ClaimedSlice } from "../../src/domain/model/OrderSlice.ts"
import { HistoryStore } from "../../src/stores/operations/HistoryStore.ts"
import { actor, type Case } from "../harness/Case.ts"
import { acknowledged, atBroker, brokerOrderOf, claim, write } from "./actions.ts"
import { allDue, at, sliceStates, splitOrder, unless } from "./world.ts"

/** A fail-over long ago: whatever was claimed before has arrived. */
const failOver = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "interleavings.failOver",
    sql`
      UPDATE server_history SET timeline = '0000000A', unsettled_since = '1960-01-01Z', unsettled_reason = 'a test',
        unsettled_timeline = (SELECT timeline FROM server_history_now())`
  )
)

const settle = Effect.gen(function* () {
  const store = yield* HistoryStore
  const unsettled = yield* store.unsettled(at(allDue))
  if (Option.isNone(unsettled)) return false
  return yield* store.settle({
    since: unsettled.value.since,
    wait: Duration.minutes(3),
    halt: "a test",
    now: at(allDue)
  })
})

/** Has slices take over the orders that the broker has for them. */
const adopt = (tags: ReadonlySet<Tag>) =>
  Effect.gen(function* () {
    const store = yield* HistoryStore
    const slices = yield* store.tagged(tags)
    const found = slices
      .filter(({ brokerOrderId }) => brokerOrderId === null)
      .map((slice) => ({ slice, order: atBroker(slice, "OPEN", 0) }))
    return yield* store.adopt(found, "found", at(allDue))
  })

const twoSettle: Case = {
  name: "two monitors settle the history of a server beside an executor",
  prepare: Effect.as(Effect.andThen(splitOrder(), failOver), () => {
    const settlers = ["a", "b"].map((name) => actor(`monitor ${name}`, settle))
    const executor = actor("executor", claim("c", allDue, {}))
    return {
      actors: [...settlers, executor],
      problems: Effect.gen(function* () {
        const { sql } = yield* Db
        const halts = yield* sql`SELECT FROM placement_halts`
        const settled = settlers.filter(({ result }) => result === true).length
        return [
          ...unless(settled === 1, `the history was settled ${settled} times`),
          ...unless(halts.length === 1, `${halts.length} halts were written`),
          ...unless(executor.result?.length === 0, "slices were claimed before the settlement, or in spite of its halt")
        ]
      })
    }
  })
}

const takenOver: Case = {
  name: "slices take over forgotten orders twice, beside their acknowledgements",
  seeds: [1, 2, 3],
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 3 })
    const tags = new Set(slices.map(({ tag }: ClaimedSlice) => tag))
    return () => {
      const monitors = ["a", "b"].map((name) => actor(`monitor ${name}`, adopt(tags)))
      const executor = actor("executor", write(slices, acknowledged, allDue))
      return {
        actors: [...monitors, executor],
        problems: Effect.map(sliceStates, (states) => {
          const moved = [
            ...(executor.result ?? []).map(({ id }) => id),
            ...monitors.flatMap(({ result }) => [...(result ?? [])])
          ]
          return [
            ...unless(
              moved.length === 3 && new Set(moved).size === 3,
              `${moved.length} moves of 3 slices were answered`
            ),
            ...states
              .filter(({ id }) => slices.some((slice) => slice.id === id))
              .flatMap((slice) =>
                unless(slice.brokerOrderId === brokerOrderOf(slice), `slice ${slice.id} has ${slice.brokerOrderId}`)
              )
          ]
        })
      }
    }
  })
}

export const historyCases: ReadonlyArray<Case> = [twoSettle, takenOver]
