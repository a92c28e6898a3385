import { BigDecimal, DateTime, Effect, Exit, Option } from "effect"
import { Broker, type Placement } from "../../broker/Broker.ts"
import { auditRow } from "../../broker/brokerCall.ts"
import { DatabaseClock, LatestTime } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import {
  afterPlacement,
  backoffAfter,
  deadlineMillis,
  isAttempt,
  type Refusal,
  wasSent
} from "../../domain/lifecycle/placement.ts"
import type { BrokerError } from "../../domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../domain/model/BrokerOrder.ts"
import type { ClaimedSlice, NextStage, SliceKey } from "../../domain/model/OrderSlice.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { Instance } from "../../runtime/Instance.ts"
import { makeReadNow, type Moment } from "../../runtime/Moment.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import type { SliceOutcome } from "./OutcomeWriter.ts"
import { makeRefusalNow, placementLimits } from "./refusalNow.ts"

/** A placement's outcome, and until when nothing else is fired (milliseconds since 1970; 0 for no back-off). */
export interface PlacementOutcome extends SliceOutcome {
  readonly backoffUntilMillis: number
}

/** How many slices that wait for the market are remembered. */
const maxWaiting = 10_000

/**
 * Builds the placement of one claimed slice: the last checks at the moment of firing, the call, and what the answer means.
 * It never fails. An interruption gives up the call only, whose outcome then is unknown.
 */
export const makePlace = Effect.gen(function* () {
  const telemetry = yield* Telemetry
  const refusalNow = yield* makeRefusalNow
  const call = yield* makeCall

  const waiting = new Set<SliceKey>()

  const notFired = (slice: ClaimedSlice, { next, isWaiting }: Refusal) =>
    Effect.gen(function* () {
      const at = yield* DateTime.now
      telemetry.notFired(next)
      // A slice that waits for the market is logged once.
      const isNews = !isWaiting || !waiting.has(slice.key)
      if (waiting.size === maxWaiting) waiting.clear()
      if (isWaiting) waiting.add(slice.key)
      const message = `Slice not fired: ${"reason" in next ? next.reason : next._tag}`
      yield* annotateReason("code" in next ? next.code : null)(
        isNews ? Effect.logWarning(message) : Effect.logDebug(message)
      ).pipe(annotateSlice(slice))
      return {
        transition: { slice, next, attempts: slice.attempts, placedAt: null, at },
        event: null,
        tried: null,
        backoffUntilMillis: 0
      }
    })

  return (slice: ClaimedSlice): Effect.Effect<PlacementOutcome> =>
    Effect.uninterruptible(
      Effect.flatMap(refusalNow(slice), (refusal) => (refusal === null ? call(slice) : notFired(slice, refusal)))
    )
})

/** Builds the broker call for a slice, and translates its answer into the slice's next stage and the audit row. */
const makeCall = Effect.gen(function* () {
  const broker = yield* Broker
  const clock = yield* DatabaseClock
  const instance = yield* Instance
  const telemetry = yield* Telemetry
  const limits = yield* placementLimits
  const algoId = Option.getOrNull((yield* Configuration).zerodhaAlgoId)
  const readNow = yield* makeReadNow

  /**
   * The start of the quarantine. The host may have been suspended before the request left, so the latest possible time counts.
   */
  const doubtBegins = Effect.gen(function* () {
    yield* Effect.ignore(clock.waitForOffset)
    return DateTime.makeUnsafe(yield* yield* LatestTime)
  })

  const outcomeOf = (
    { slice, placement, sent, answer, answered, next }: Answered,
    at: DateTime.Utc
  ): PlacementOutcome => {
    const isSent = wasSent(answer)
    const attempt = slice.attempts + 1
    return {
      transition: {
        slice,
        next,
        attempts: isAttempt(answer) ? attempt : slice.attempts,
        placedAt: isSent ? sent.at : null,
        at
      },
      event: isSent
        ? auditRow({
            id: `${slice.id}:place:${slice.claimVersion}`,
            call: "place",
            askedAt: sent.at,
            durationMillis: answered.millis - sent.millis,
            answer,
            onSuccess: ({ brokerOrderId }) => ({ broker_order_id: brokerOrderId }),
            slice,
            attempt,
            brokerOrderId: Exit.isSuccess(answer) ? answer.value.brokerOrderId : null,
            request: () => requestOf(placement),
            keepsRequest: placement.algoId !== null,
            deadline: placement.deadline,
            broker: broker.name,
            worker: instance.id
          })
        : null,
      tried: { slice, next, sentMillis: sent.millis },
      backoffUntilMillis: backoffAfter(answer, next)
    }
  }

  return (slice: ClaimedSlice): Effect.Effect<PlacementOutcome> =>
    Effect.suspend(() => {
      const sent = readNow()
      const placement = placementOf(slice, deadlineMillis(slice, sent.millis, limits()), algoId)
      return Effect.flatMap(Effect.exit(Effect.interruptible(broker.place(placement))), (answer) => {
        const answered = readNow()
        const next = afterPlacement(answer, answered.at)
        telemetry.placed(slice, next, { beganMillis: sent.millis, endedMillis: answered.millis })
        const all = { slice, placement, sent, answer, answered, next }
        return next._tag === "Unknown"
          ? Effect.map(doubtBegins, (at) => outcomeOf(all, at))
          : Effect.succeed(outcomeOf(all, answered.at))
      })
    })
})

/** A placement that has ended, with or without an answer. */
interface Answered {
  readonly slice: ClaimedSlice
  readonly placement: Placement
  readonly sent: Moment
  readonly answer: Exit.Exit<Acknowledgement, BrokerError>
  readonly answered: Moment
  readonly next: NextStage
}

const placementOf = (slice: ClaimedSlice, deadlineMillis: number, algoId: string | null): Placement => ({
  orderId: slice.orderId,
  sliceId: slice.id,
  tag: slice.tag,
  requestId: slice.requestId,
  traceId: slice.traceId,
  instrument: slice.instrument,
  side: slice.side,
  quantity: slice.quantity,
  orderType: slice.orderType,
  limitPrice: slice.limitPrice,
  productType: slice.productType,
  validity: slice.validity,
  deadline: DateTime.makeUnsafe(deadlineMillis),
  dueMillis: slice.notBeforeMillis,
  algoId: slice.algoId ?? algoId
})

const requestOf = (placement: Placement) => ({
  tag: placement.tag,
  instrument: placement.instrument,
  side: placement.side,
  quantity: placement.quantity,
  order_type: placement.orderType,
  limit_price: placement.limitPrice === null ? null : BigDecimal.format(placement.limitPrice),
  product_type: placement.productType,
  validity: placement.validity,
  deadline: DateTime.formatIso(placement.deadline),
  ...(placement.algoId === null ? {} : { algo_id: placement.algoId })
})
