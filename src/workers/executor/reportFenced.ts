import { DateTime, Effect, Schedule } from "effect"
import type { DbError } from "../../db/DbError.ts"
import type { BrokerOrderId, Tag } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { HistoryStore } from "../../stores/operations/HistoryStore.ts"
import { forgottenWords, makeAlarmDoubled, makeTellAdopted } from "./foundAtBroker.ts"

/** A slice that changes between being read and being written is read again, so often. */
const maxTries = 5

/**
 * Makes the function that follows up an acknowledgement which could not be written, because its slice was not claimed any more as
 * it had been. The broker has the order all the same: a slice that has another one was placed twice, and a slice that has none
 * takes it over. So does one that somebody else has claimed, whose own outcome comes here then.
 */
export const makeReportFenced = Effect.gen(function* () {
  const store = yield* HistoryStore
  const alarmDouble = yield* makeAlarmDoubled
  const tellAdopted = yield* makeTellAdopted

  const followUp = (tag: Tag, brokerOrderId: BrokerOrderId, tries: number): Effect.Effect<void, DbError> =>
    Effect.gen(function* () {
      const now = yield* DateTime.now
      const [slice] = yield* store.tagged(new Set([tag]))
      if (slice === undefined) {
        yield* store.noteOrphans([{ tag, brokerOrderIds: [brokerOrderId] }], now)
        return yield* Effect.logError(
          `The database has no such slice any more, but the broker has it as ${brokerOrderId}`
        )
      }
      if (slice.brokerOrderId === brokerOrderId) return
      const brokerOrderIds = slice.brokerOrderId === null ? [brokerOrderId] : [slice.brokerOrderId, brokerOrderId]
      if (brokerOrderIds.length > 1 || slice.isReplaced) return yield* alarmDouble({ slice, brokerOrderIds })
      const order = { brokerOrderId, tag, ...acknowledged }
      const adopted = yield* store.adopt([{ slice, order }], forgottenWords, now)
      if (adopted.size > 0) return yield* tellAdopted({ slice, order })
      if (tries < maxTries) return yield* followUp(tag, brokerOrderId, tries + 1)
      yield* Effect.logError(`The broker has the slice as ${brokerOrderId}, which is not written: run "settle"`)
    })

  /** Never fails, because the outcomes behind it must be written, too. */
  return (slice: ClaimedSlice, brokerOrderId: BrokerOrderId): Effect.Effect<void> =>
    followUp(slice.tag, brokerOrderId, 1).pipe(
      Effect.retry(($) => $(Schedule.spaced("1 second")).pipe(Schedule.while(({ input }) => input.isTransient))),
      Effect.catch((error) =>
        Effect.logError(`The broker has the slice as ${brokerOrderId}, which cannot be written: ${error.message}`)
      ),
      annotateSlice(slice)
    )
})

/** The state of an order of which only the acknowledgement is known. */
const acknowledged = {
  status: "PENDING",
  statusText: "acknowledged",
  quantity: null,
  filledQuantity: 0,
  averagePrice: null
} as const
