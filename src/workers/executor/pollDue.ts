import { Effect, Queue } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration } from "../../config/Configuration.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { because } from "../../domain/model/reason.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { Lookout } from "../supervision/Lookout.ts"
import { tick } from "../supervision/supervision.ts"
import { WorkerStatus } from "../supervision/WorkerStatus.ts"
import type { AdmitClaimed } from "./admitClaimed.ts"
import { makeClaimDue } from "./claimDue.ts"
import type { ClaimedSlices } from "./ClaimedSlices.ts"
import { makeFollowDayLimit } from "./followDayLimit.ts"
import type { GiveBack } from "./giveBack.ts"

/**
 * The loop that claims: every SLICE_EXECUTOR_POLL_INTERVAL_SECONDS, or sooner when slices are scheduled, orders are cancelled,
 * the queue has room again or the placement gate changes. It gives back slices whose order was cancelled or put on hold, then
 * claims what is due soon. While the gate is closed it claims nothing and gives back the whole queue. When nothing is claimed
 * and the lookout knows that nothing is due soon, it asks nothing.
 */
export const makePollDue = Effect.fnUntraced(function* (
  claimed: ClaimedSlices,
  giveBack: GiveBack,
  admit: AdmitClaimed
) {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const wakeups = yield* Wakeups
  const gate = yield* PlacementGate
  const orders = yield* OrderStore
  const lookout = yield* Lookout
  const followDayLimit = yield* makeFollowDayLimit
  const { claim, fromStart, lookFully } = yield* makeClaimDue(claimed, admit)
  const { queue, fired } = claimed

  const dropStopped = Effect.gen(function* () {
    const orderIds = new Set([...queue.orderIds(), ...[...fired.values()].map(({ orderId }) => orderId)])
    const stopped = new Set(orderIds.size === 0 ? [] : yield* orders.stoppedAmong(orderIds))
    yield* giveBack(queue.removeOrders(stopped), because("order_stopped", "given back: order cancelled or on hold"))
    yield* gate.withdraw(new Set([...fired].flatMap(([id, { orderId }]) => (stopped.has(orderId) ? [id] : []))))
  })

  /** Slices in hand come back or are placed: until a look that begins later, both the executor and the monitor may have work. */
  let wasBusy = false
  const noteBusy = Effect.suspend(() => {
    const isBusy = queue.size + fired.size > 0
    const mayHaveWork = isBusy || wasBusy
    wasBusy = isBusy
    return mayHaveWork ? Effect.andThen(lookout.note("slices"), lookout.note("placed")) : Effect.void
  })

  const poll = Effect.gen(function* () {
    let closure = yield* gate.current
    let mayHaveMore = false
    yield* tick(
      status,
      "executor",
      lookout.unlessIdle(
        "slices",
        Effect.gen(function* () {
          yield* followDayLimit
          closure = yield* gate.current
          if (closure !== null) {
            yield* lookFully
            const reason = `given back, placements are on hold: ${closure.reason}`
            return yield* giveBack(queue.drain(), because("gate_closed", reason))
          }
          yield* dropStopped
          mayHaveMore = yield* claim
        })
      )
    )
    yield* noteBusy
    const noteSlices = lookout.note("slices")
    // The note follows its wake-up at once, so that none is taken and forgotten.
    yield* Effect.raceAllFirst([
      Effect.andThen(gate.until(closure === null), noteSlices),
      Effect.andThen(wakeups.next("slices"), Effect.andThen(noteSlices, fromStart)),
      Effect.andThen(wakeups.next("cancels"), noteSlices),
      ...(mayHaveMore ? [Effect.andThen(Queue.take(claimed.queueHasRoom), noteSlices)] : []),
      Effect.sleep(config.sliceExecutorPollInterval)
    ])
  })
  return Effect.forever(poll)
})
