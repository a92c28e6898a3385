import { BigDecimal, DateTime, Effect, Exit } from "effect"
import { Broker, type Placement } from "../../broker/Broker.ts"
import { answerOf, type CallAnswer } from "../../broker/brokerCall.ts"
import { DatabaseClock, LatestTime } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import {
  afterPlacement,
  brokerErrorOf,
  deadlineMillis,
  isAttempt,
  type Refusal,
  refusalToFire
} from "../../domain/lifecycle/placement.ts"
import type { BrokerError } from "../../domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../domain/model/BrokerOrder.ts"
import type { ClaimedSlice, NextStage } from "../../domain/model/OrderSlice.ts"
import { Instance } from "../../runtime/Instance.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import type { BrokerEvent } from "../../stores/sql/insertEvents.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import type { Outcome } from "./OutcomeWriter.ts"

/** A placement's outcome, and until when (milliseconds since 1970) the broker wants to be left alone. */
export interface PlacementOutcome extends Outcome {
  readonly holdUntilMillis: number
}

/**
 * Builds the placement of one claimed slice: the last checks at the moment of firing, the call, and what the answer
 * means. Never fails. Interrupting it gives up the call, whose outcome then is unknown; nothing else is interrupted.
 */
export const makePlace = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const clock = yield* DatabaseClock
  const instance = yield* Instance
  const telemetry = yield* Telemetry
  const { calendar } = yield* TradingHours
  const limits = {
    brokerTimeout: config.brokerTimeout,
    preTrade: config.limits,
    calendar,
    marketPause: config.quotesPollInterval
  }

  /** The quarantine is counted from here. The host may have been suspended before the request left: rather too late. */
  const doubtBegins = Effect.gen(function* () {
    yield* Effect.ignore(clock.settle)
    return DateTime.makeUnsafe(yield* yield* LatestTime)
  })

  const call = (slice: ClaimedSlice) =>
    Effect.gen(function* () {
      const beganMillis = yield* nowMillis
      const placedAt = yield* DateTime.now
      const placement = placementOf(slice, deadlineMillis(slice, DateTime.toEpochMillis(placedAt), limits))
      const answer = yield* Effect.exit(Effect.interruptible(broker.place(placement)))
      const at = yield* DateTime.now
      const endedMillis = yield* nowMillis
      // What is due at the same moment is sent before anything is said of this one.
      yield* Effect.yieldNow
      const attempt = slice.attempts + 1
      const next = afterPlacement(answer, at)
      telemetry.placed(slice, next, { beganMillis, endedMillis })
      yield* logOutcome(slice, next, placedAt)
      const error = brokerErrorOf(answer)
      const wasSent = error?._tag !== "BrokerNotSent"
      return {
        transition: {
          slice,
          next,
          attempts: isAttempt(answer) ? attempt : slice.attempts,
          placedAt: wasSent ? placedAt : null,
          at: next._tag === "Unknown" ? yield* doubtBegins : at
        },
        event: wasSent
          ? eventOf({ slice, placement, answer, attempt, placedAt, at, broker: broker.name, worker: instance.id })
          : null,
        holdUntilMillis: holdAfter(answer, next)
      }
    })

  const notFired = (slice: ClaimedSlice, { next, isWaiting }: Refusal) =>
    Effect.gen(function* () {
      const at = yield* DateTime.now
      telemetry.notFired(next)
      // A slice that waits for the market is no news the second time.
      const isNews = !isWaiting || slice.notBeforeMillis === slice.scheduledMillis
      const message = `Slice not fired: ${"reason" in next ? next.reason : next._tag}`
      yield* isNews ? Effect.logWarning(message) : Effect.logDebug(message)
      return {
        transition: { slice, next, attempts: slice.attempts, placedAt: null, at },
        event: null,
        holdUntilMillis: 0
      }
    })

  const fire = (slice: ClaimedSlice): Effect.Effect<PlacementOutcome> =>
    Effect.gen(function* () {
      const settled = yield* Effect.exit(clock.settle)
      if (Exit.isFailure(settled)) {
        const reason = "this host's clock jumped and the database could not be asked for the time"
        return yield* notFired(slice, { next: { _tag: "Rescheduled", code: "clock_unsure", reason, notBefore: null } })
      }
      const now = yield* nowMillis
      const refusal = refusalToFire(slice, now, limits)
      if (refusal === null) return yield* call(slice)
      if (refusal !== "too early") return yield* notFired(slice, refusal)
      const earlyMillis = slice.notBeforeMillis - now
      if (earlyMillis > maxEarlyMillis) {
        const reason = "given back: the database's clock was set back, and it is not due yet"
        return yield* notFired(slice, { next: { _tag: "Rescheduled", code: "clock_unsure", reason, notBefore: null } })
      }
      yield* Effect.sleep(earlyMillis)
      return yield* fire(slice)
    })

  return (slice: ClaimedSlice) =>
    fire(slice).pipe(
      Effect.annotateLogs({
        order_id: slice.orderId,
        slice_id: slice.id,
        request_id: slice.requestId,
        trace_id: slice.traceId
      }),
      Effect.uninterruptible
    )
})

/** No stop, halt or cancel ends the wait of a slice that is being fired. */
const maxEarlyMillis = 1000

const placementOf = (slice: ClaimedSlice, deadlineMillis: number): Placement => ({
  sliceId: slice.id,
  tag: slice.tag,
  instrument: slice.instrument,
  side: slice.side,
  quantity: slice.quantity,
  orderType: slice.orderType,
  limitPrice: slice.limitPrice,
  productType: slice.productType,
  validity: slice.validity,
  deadline: DateTime.makeUnsafe(deadlineMillis)
})

/** A broker that says "later", or no longer knows us, would say the same to every other slice: none is sent till then. */
const holdAfter = (answer: Exit.Exit<Acknowledgement, BrokerError>, next: NextStage): number =>
  Exit.isFailure(answer) && next._tag === "Rescheduled" && next.notBefore !== null
    ? DateTime.toEpochMillis(next.notBefore)
    : 0

const logOutcome = (slice: ClaimedSlice, next: NextStage, placedAt: DateTime.Utc) => {
  const details = {
    lateness_millis: DateTime.toEpochMillis(placedAt) - slice.scheduledMillis,
    quantity: slice.quantity,
    tag: slice.tag
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

const eventOf = (call: {
  readonly slice: ClaimedSlice
  readonly placement: Placement
  readonly answer: CallAnswer<Acknowledgement>
  readonly attempt: number
  readonly placedAt: DateTime.Utc
  readonly at: DateTime.Utc
  readonly broker: string
  readonly worker: string
}): BrokerEvent => {
  const { outcome, response } = answerOf(call.answer, (ack) => ({ broker_order_id: ack.brokerOrderId }))
  const { placement } = call
  return {
    id: `${call.slice.id}:place:${call.slice.claimVersion}`,
    calledAt: call.placedAt,
    durationMillis: DateTime.toEpochMillis(call.at) - DateTime.toEpochMillis(call.placedAt),
    broker: call.broker,
    call: "place",
    outcome,
    orderId: call.slice.orderId,
    sliceId: call.slice.id,
    attempt: call.attempt,
    brokerOrderId: Exit.isSuccess(call.answer) ? call.answer.value.brokerOrderId : null,
    request: {
      tag: placement.tag,
      instrument: placement.instrument,
      side: placement.side,
      quantity: placement.quantity,
      order_type: placement.orderType,
      limit_price: placement.limitPrice === null ? null : BigDecimal.format(placement.limitPrice),
      product_type: placement.productType,
      validity: placement.validity,
      deadline: DateTime.formatIso(placement.deadline)
    },
    response,
    worker: call.worker
  }
}
