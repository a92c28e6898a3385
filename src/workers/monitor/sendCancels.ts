import { DateTime, Duration, Effect, Result } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { answerOf, type CallAnswer } from "../../broker/brokerCall.ts"
import { Configuration } from "../../config/Configuration.ts"
import type { OpenSlice } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"

/** A cancel that had no effect by then is sent again. */
const cancelResend = Duration.seconds(15)
/** The monitor has other things to do, too: it sends no more in one pass than takes about so long. */
const maxPassSeconds = 5
const maxAtMockBroker = 500

/**
 * Sends the cancels that are wanted, each from one monitor only, the longest-waiting first and not all of them at once. When
 * the broker's book could not be read, nobody knows what became of the cancels that were sent: none is sent a second time.
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
    const { outcome, response } = answerOf(answer, () => ({}))
    yield* Effect.logInfo(`Cancel sent to the broker: ${outcome}`, response).pipe(
      annotateSlice(slice),
      Effect.annotateLogs("broker_order_id", slice.brokerOrderId)
    )
    yield* slices.audit([
      {
        id: `${slice.id}:cancel:${DateTime.toEpochMillis(calledAt)}`,
        calledAt,
        durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(calledAt),
        broker: broker.name,
        call: "cancel",
        outcome,
        orderId: slice.orderId,
        sliceId: slice.id,
        attempt: null,
        brokerOrderId: slice.brokerOrderId,
        request: { broker_order_id: slice.brokerOrderId },
        response,
        worker: instance.id
      }
    ])
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
    // One whose audit cannot be written must not break off the others' calls.
    const sent = yield* Effect.forEach(
      wanted.filter((slice) => mine.has(slice.id)),
      (slice) => Effect.result(send(slice)),
      { concurrency: 8 }
    )
    const failed = sent.find(Result.isFailure)
    if (failed !== undefined) return yield* failed.failure
  })
})
