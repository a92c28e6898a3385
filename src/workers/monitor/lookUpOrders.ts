import { DateTime, Duration, Effect, Exit, Option } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { auditRow, type CallAnswer } from "../../broker/brokerCall.ts"
import type { BrokerOrder, FoundOrders, UnreadableOrder } from "../../domain/model/BrokerOrder.ts"
import type { Tag } from "../../domain/model/Ids.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../stores/sql/insertEvents.ts"
import { WorkerStatus } from "../supervision/WorkerStatus.ts"

/** The answer of one look-up in the broker's order list. Times in milliseconds since 1970. */
export interface OrderListLookUp {
  /** When the request was made: later orders may be missing. */
  readonly askedMillis: number
  /** Since when the list is complete. */
  readonly orderListSinceMillis: number
  readonly ordersOf: (tag: Tag) => ReadonlyArray<BrokerOrder>
  /** The rows that belong, or may belong, to a tag and cannot be read. */
  readonly unreadableOf: (tag: Tag) => ReadonlyArray<UnreadableOrder>
}

/** When the order list has been unreadable for this long, a person has to look at it. */
const maxUnreadable = Duration.minutes(2)

/** Asks the broker once for all tags. Returns none if it could not answer, which is not "not found". */
export const makeLookUp = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance
  const noteAnswer = yield* makeNoteAnswer

  return Effect.fnUntraced(function* (tags: ReadonlySet<Tag>) {
    const askedAt = yield* DateTime.now
    const answer = yield* Effect.exit(broker.findByTag(tags))
    const at = yield* DateTime.now
    const event = auditRow({
      id: `${instance.id}:find_by_tag:${DateTime.toEpochMillis(askedAt)}`,
      call: "find_by_tag",
      askedAt,
      durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(askedAt),
      answer,
      onSuccess: ({ orders, unreadable }) => ({
        broker_orders: orders.length,
        ...(unreadable.length === 0 ? {} : { unreadable: unreadable.length })
      }),
      request: () => ({ tags: tags.size }),
      broker: broker.name,
      worker: instance.id
    })
    yield* slices.audit([event])
    yield* noteAnswer(answer, event, at)
    if (Exit.isFailure(answer)) return Option.none<OrderListLookUp>()
    const byTag = Map.groupBy(answer.value.orders, (order) => order.tag)
    const unreadableByTag = Map.groupBy(answer.value.unreadable, (row) => row.tag)
    return Option.some<OrderListLookUp>({
      askedMillis: DateTime.toEpochMillis(askedAt),
      // Taken at the answer: if the list began anew during the call, the later start is the safe one.
      orderListSinceMillis: DateTime.toEpochMillis(broker.orderListSince(at)),
      ordersOf: (tag) => byTag.get(tag) ?? [],
      unreadableOf: (tag) => unreadableByTag.get(tag) ?? []
    })
  })
})

/**
 * Reports an unreadable order list: a warning each time and, after {@link maxUnreadable}, one error that `health` shows too. A
 * list in which every row of ours is unreadable counts as unreadable; the warnings for its rows are given elsewhere.
 */
const makeNoteAnswer = Effect.gen(function* () {
  const status = yield* WorkerStatus
  let unreadableSince: DateTime.Utc | null = null
  let isReported = false

  return Effect.fnUntraced(function* (answer: CallAnswer<FoundOrders>, event: BrokerEvent, at: DateTime.Utc) {
    if (Exit.isSuccess(answer) && (answer.value.orders.length > 0 || answer.value.unreadable.length === 0)) {
      if (isReported) yield* Effect.logInfo("The broker's order list can be read again")
      unreadableSince = null
      isReported = false
      return yield* status.blocked("monitor", null)
    }
    const outcome = Exit.isSuccess(answer) ? "every row of ours" : event.outcome
    unreadableSince ??= at
    const since = `the broker's order list cannot be read since ${DateTime.formatIso(unreadableSince)} (${outcome})`
    if (!isReported && Duration.isGreaterThanOrEqualTo(DateTime.distance(unreadableSince, at), maxUnreadable)) {
      isReported = true
      yield* status.blocked("monitor", since)
      return yield* Effect.logError(
        `${since}: unknown outcomes stay unknown, and nobody hears of fills and refusals. Look at the broker's own pages`,
        event.response
      )
    }
    if (Exit.isSuccess(answer)) return
    yield* Effect.logWarning(
      `The broker's order list could not be read (${outcome}); unknown outcomes stay unknown`,
      event.response
    )
  })
})
