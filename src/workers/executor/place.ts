import { BigDecimal, DateTime, Effect, Exit } from "effect"
import { Broker, type Placement } from "../../broker/Broker.ts"
import { auditRow } from "../../broker/brokerCall.ts"
import { DatabaseClock, LatestTime } from "../../clock/DatabaseClock.ts"
import {
  afterPlacement,
  backoffAfter,
  deadlineMillis,
  isAttempt,
  type Refusal,
  wasSent
} from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice, NextStage } from "../../domain/model/OrderSlice.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { Instance } from "../../runtime/Instance.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import type { SliceOutcome } from "./OutcomeWriter.ts"
import { makeRefusalNow, placementLimits } from "./refusalNow.ts"

/** A placement's outcome, and until when nothing else is fired (milliseconds since 1970; 0 for no back-off). */
export interface PlacementOutcome extends SliceOutcome {
  readonly backoffUntilMillis: number
}

/**
 * Builds the placement of one claimed slice: the last checks at the moment of firing, the call, and what the answer means.
 * It never fails. An interruption gives up the call only, whose outcome then is unknown.
 */
export const makePlace = Effect.gen(function* () {
  const telemetry = yield* Telemetry
  const refusalNow = yield* makeRefusalNow
  const call = yield* makeCall

  const notFired = (slice: ClaimedSlice, { next, isWaiting }: Refusal) =>
    Effect.gen(function* () {
      const at = yield* DateTime.now
      telemetry.notFired(next)
      // A slice that waits for the market is logged once.
      const isNews = !isWaiting || slice.notBeforeMillis === slice.scheduledMillis
      const message = `Slice not fired: ${"reason" in next ? next.reason : next._tag}`
      yield* annotateReason("code" in next ? next.code : null)(
        isNews ? Effect.logWarning(message) : Effect.logDebug(message)
      )
      return {
        transition: { slice, next, attempts: slice.attempts, placedAt: null, at },
        event: null,
        backoffUntilMillis: 0
      }
    })

  return (slice: ClaimedSlice): Effect.Effect<PlacementOutcome> =>
    Effect.flatMap(refusalNow(slice), (refusal) => (refusal === null ? call(slice) : notFired(slice, refusal))).pipe(
      annotateSlice(slice),
      Effect.uninterruptible
    )
})

/** Builds the broker call for a slice, and translates its answer into the slice's next stage and the audit row. */
const makeCall = Effect.gen(function* () {
  const broker = yield* Broker
  const clock = yield* DatabaseClock
  const instance = yield* Instance
  const telemetry = yield* Telemetry
  const limits = yield* placementLimits

  /**
   * The start of the quarantine. The host may have been suspended before the request left, so the latest possible time counts.
   */
  const doubtBegins = Effect.gen(function* () {
    yield* Effect.ignore(clock.waitForOffset)
    return DateTime.makeUnsafe(yield* yield* LatestTime)
  })

  return (slice: ClaimedSlice): Effect.Effect<PlacementOutcome> =>
    Effect.gen(function* () {
      const beganMillis = yield* nowMillis
      const placedAt = yield* DateTime.now
      const placement = placementOf(slice, deadlineMillis(slice, DateTime.toEpochMillis(placedAt), limits))
      const answer = yield* Effect.exit(Effect.interruptible(broker.place(placement)))
      const at = yield* DateTime.now
      const endedMillis = yield* nowMillis
      // Slices that are due at the same moment are sent before this outcome is logged and written.
      yield* Effect.yieldNow
      const attempt = slice.attempts + 1
      const next = afterPlacement(answer, at)
      telemetry.placed(slice, next, { beganMillis, endedMillis })
      yield* logOutcome(slice, next, placedAt)
      const isSent = wasSent(answer)
      return {
        transition: {
          slice,
          next,
          attempts: isAttempt(answer) ? attempt : slice.attempts,
          placedAt: isSent ? placedAt : null,
          at: next._tag === "Unknown" ? yield* doubtBegins : at
        },
        event: isSent
          ? auditRow({
              id: `${slice.id}:place:${slice.claimVersion}`,
              call: "place",
              askedAt: placedAt,
              answeredAt: at,
              answer,
              onSuccess: ({ brokerOrderId }) => ({ broker_order_id: brokerOrderId }),
              slice,
              attempt,
              brokerOrderId: Exit.isSuccess(answer) ? answer.value.brokerOrderId : null,
              request: requestOf(placement),
              deadline: placement.deadline,
              broker: broker.name,
              worker: instance.id
            })
          : null,
        backoffUntilMillis: backoffAfter(answer, next)
      }
    })
})

const placementOf = (slice: ClaimedSlice, deadlineMillis: number): Placement => ({
  orderId: slice.orderId,
  sliceId: slice.id,
  tag: slice.tag,
  instrument: slice.instrument,
  side: slice.side,
  quantity: slice.quantity,
  orderType: slice.orderType,
  limitPrice: slice.limitPrice,
  productType: slice.productType,
  validity: slice.validity,
  deadline: DateTime.makeUnsafe(deadlineMillis),
  dueAt: DateTime.makeUnsafe(slice.notBeforeMillis)
})

const logOutcome = (slice: ClaimedSlice, next: NextStage, placedAt: DateTime.Utc) => {
  const details = {
    lateness_millis: DateTime.toEpochMillis(placedAt) - slice.scheduledMillis,
    quantity: slice.quantity,
    tag: slice.tag,
    reason_code: "code" in next ? next.code : null
  }
  switch (next._tag) {
    case "Processed":
      return Effect.annotateLogs(Effect.logInfo("Slice placed"), { ...details, broker_order_id: next.brokerOrderId })
    case "Failed":
      return Effect.annotateLogs(Effect.logError(`Slice failed: ${next.reason}`), details)
    case "Unknown":
      return Effect.annotateLogs(Effect.logWarning(`Outcome unknown, to be reconciled: ${next.reason}`), details)
    case "Rescheduled":
    case "Skipped":
      return Effect.annotateLogs(Effect.logWarning(`Slice not placed: ${next.reason}`), details)
  }
}

const requestOf = (placement: Placement) => ({
  tag: placement.tag,
  instrument: placement.instrument,
  side: placement.side,
  quantity: placement.quantity,
  order_type: placement.orderType,
  limit_price: placement.limitPrice === null ? null : BigDecimal.format(placement.limitPrice),
  product_type: placement.productType,
  validity: placement.validity,
  deadline: DateTime.formatIso(placement.deadline)
})
