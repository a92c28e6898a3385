import { DateTime, Duration, Effect, Result } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { auditRow, type CallAnswer } from "../../broker/brokerCall.ts"
import { Configuration } from "../../config/Configuration.ts"
import type { OpenSlice } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"

/** A cancel without effect is sent again after this time. */
const cancelResend = Duration.seconds(15)
/** One pass sends only as many cancels as take about this long, so that the monitor's other tasks are not held up. */
const maxPassSeconds = 5
const maxAtMockBroker = 500

/**
 * Sends the cancels that are wanted, longest-waiting first, a limited number per pass, each from one monitor only. If the
 * order list could not be read, the effect of earlier cancels is unknown, and none is sent a second time.
 */
export const makeSendCancels = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance
  const limit = config.brokerType === "zerodha" ? config.zerodhaOrdersPerSecond * maxPassSeconds : maxAtMockBroker

  const send = Effect.fnUntraced(function* (slice: OpenSlice) {
    const calledAt = yield* DateTime.now
    const answer: CallAnswer<void> = yield* Effect.exit(broker.cancel(slice.brokerOrderId))
    const at = yield* DateTime.now
    const event = auditRow({
      id: `${slice.id}:cancel:${DateTime.toEpochMillis(calledAt)}`,
      call: "cancel",
      askedAt: calledAt,
      durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(calledAt),
      answer,
      onSuccess: () => ({}),
      slice,
      brokerOrderId: slice.brokerOrderId,
      request: () => ({ broker_order_id: slice.brokerOrderId }),
      broker: broker.name,
      worker: instance.id
    })
    yield* Effect.logInfo(`Cancel sent to the broker: ${event.outcome}`, event.response).pipe(
      annotateSlice(slice),
      Effect.annotateLogs("broker_order_id", slice.brokerOrderId)
    )
    yield* slices.audit([event])
  })

  return Effect.fnUntraced(function* (open: ReadonlyArray<OpenSlice>, isOrderListRead: boolean) {
    const wanted = open.filter((slice) => slice.isCancelWanted)
    if (wanted.length === 0) return
    const now = yield* DateTime.now
    const mine = new Set(
      yield* slices.claimCancels({
        ids: wanted.map((slice) => slice.id),
        limit,
        now,
        resendBefore: isOrderListRead ? DateTime.subtractDuration(now, cancelResend) : DateTime.makeUnsafe(0)
      })
    )
    // A failed audit write must not interrupt the other calls.
    const sent = yield* Effect.forEach(
      wanted.filter((slice) => mine.has(slice.id)),
      (slice) => Effect.result(send(slice)),
      { concurrency: 8 }
    )
    const failed = sent.find(Result.isFailure)
    if (failed !== undefined) return yield* failed.failure
  })
})
