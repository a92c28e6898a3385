import { DateTime, Effect } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { RecoveryStore } from "../../stores/slices/RecoveryStore.ts"
import { ServerHistory } from "../supervision/ServerHistory.ts"
import { doAll } from "./doAll.ts"
import { makeFollowBroker } from "./followBroker.ts"
import { makeFollowThrough } from "./followThrough.ts"
import { watchedSince } from "./watchedSince.ts"

/**
 * One pass over slices that were placed or may have been: asks the broker if any slice waits for its answer, then replans
 * orders that deviate from their plan. One statement tells whether there is anything to do.
 */
export const makeFollowPlaced = Effect.gen(function* () {
  const broker = yield* Broker
  const recovery = yield* RecoveryStore
  const followBroker = yield* makeFollowBroker
  const history = yield* ServerHistory
  // A new plan of what the database has forgotten would place it twice.
  const followThrough = Effect.when(yield* makeFollowThrough, Effect.sync(history.isSettled))

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const waiting = yield* recovery.look({ now, doubtedSince: watchedSince(broker, now) })
    // Fills and refusals may call for a new plan at once.
    if (waiting.forBroker || waiting.hasSent) yield* doAll([followBroker, followThrough])
    else if (waiting.forPlan) yield* followThrough
  })
})
