import { DateTime, Effect } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { WatchStore } from "../../stores/slices/WatchStore.ts"
import { doAll } from "./doAll.ts"
import { makeFollowBroker } from "./followBroker.ts"
import { makeFollowThrough } from "./followThrough.ts"
import { watchedSince } from "./watchedSince.ts"

/**
 * One pass over what has been placed, or may have been: the broker's word when something waits for it, then new plans for
 * orders whose day does not go to plan. One statement tells whether anything waits at all.
 */
export const makeFollowPlaced = Effect.gen(function* () {
  const broker = yield* Broker
  const watch = yield* WatchStore
  const followBroker = yield* makeFollowBroker
  const followThrough = yield* makeFollowThrough

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const waiting = yield* watch.look({ now, doubtedSince: watchedSince(broker, now) })
    // What the broker's word changes may want a new plan at once.
    if (waiting.forBroker) yield* doAll([followBroker, followThrough])
    else if (waiting.forPlan) yield* followThrough
  })
})
