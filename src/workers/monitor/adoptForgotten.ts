import { DateTime, Effect } from "effect"
import type { FoundSlice } from "../../domain/operations/serverHistory.ts"
import { HistoryStore } from "../../stores/operations/HistoryStore.ts"
import { forgottenWords, makeTellAdopted } from "../executor/foundAtBroker.ts"
import { writeApart } from "./writeApart.ts"

/**
 * Makes slices take over broker orders that the database does not know of; returns those that have changed since they were read, and
 * those that the database refuses.
 */
export const makeAdoptForgotten = Effect.gen(function* () {
  const store = yield* HistoryStore
  const tellAdopted = yield* makeTellAdopted

  return Effect.fnUntraced(function* (found: ReadonlyArray<FoundSlice>) {
    const now = yield* DateTime.now
    const answers = yield* writeApart(found, (some) => store.adopt(some.map(asFollowed), forgottenWords, now))
    const adopted = new Set(answers.flatMap((ids) => [...ids]))
    yield* Effect.forEach(
      found.filter(({ slice }) => adopted.has(slice.id)),
      tellAdopted,
      { discard: true }
    )
    return found.filter(({ slice }) => !adopted.has(slice.id))
  })
})

/**
 * An order is taken over as one that is followed, also if it is over: the next look tells who has changed or cancelled it before the slice
 * is over, so that no new plan answers to what somebody else did.
 */
const asFollowed = ({ slice, order }: FoundSlice): FoundSlice => ({
  slice,
  order: { ...order, status: "UNRECOGNISED" }
})
