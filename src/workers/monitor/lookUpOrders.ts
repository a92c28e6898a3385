import { BigDecimal, DateTime, Duration, Effect, Exit, Option } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { auditRow, type CallAnswer } from "../../broker/brokerCall.ts"
import type { BrokerOrder, FoundOrders, UnreadableOrder } from "../../domain/model/BrokerOrder.ts"
import type { Tag } from "../../domain/model/Ids.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../stores/sql/insertEvents.ts"
import { WorkerStatus } from "../supervision/WorkerStatus.ts"
import { makeAwaitPrices } from "./awaitPrices.ts"

/** The answer of one look-up in the broker's order list. Times in milliseconds since 1970. */
export interface OrderListLookUp {
  /** When the request was made: later orders may be missing. */
  readonly askedMillis: number
  /** Since when the list is complete. */
  readonly orderListSinceMillis: number
  /** Every tag of ours that the list has a row of, also a row that cannot be read. */
  readonly tags: ReadonlyArray<Tag>
  /** The orders of a tag. One that is over counts as open for a while, if its price is not told yet. */
  readonly ordersOf: (tag: Tag) => ReadonlyArray<BrokerOrder>
  /** The orders of a tag as the list states them. */
  readonly statedOrdersOf: (tag: string) => ReadonlyArray<BrokerOrder>
  /** What the rows of a tag say, in a text that changes with them. */
  readonly signatureOf: (tag: string) => string
  /** The rows that belong, or may belong, to a tag and cannot be read. */
  readonly unreadableOf: (tag: string) => ReadonlyArray<UnreadableOrder>
  /** Why the list counts as unreadable; null if it does not. */
  readonly problem: string | null
}

/** When the order list has been unreadable for this long, a person has to look at it. */
const maxUnreadable = Duration.minutes(2)

/** Asks the broker once for all tags. Returns none if it could not answer, which is not "not found". */
export const makeLookUp = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance
  const noteAnswer = yield* makeNoteAnswer
  const awaitPrices = makeAwaitPrices()

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
    const problem = yield* noteAnswer(answer, event, at)
    if (Exit.isFailure(answer)) return Option.none<OrderListLookUp>()
    const { orders, unreadable } = answer.value
    const stated = Map.groupBy<string, BrokerOrder>(orders, (order) => order.tag)
    const byTag = Map.groupBy<string, BrokerOrder>(
      awaitPrices(orders, DateTime.toEpochMillis(at)),
      (order) => order.tag
    )
    const unreadableByTag = Map.groupBy<string, UnreadableOrder>(unreadable, (row) => row.tag)
    return Option.some<OrderListLookUp>({
      askedMillis: DateTime.toEpochMillis(askedAt),
      // Taken at the answer: if the list began anew during the call, the later start is the safe one.
      orderListSinceMillis: DateTime.toEpochMillis(broker.orderListSince(at)),
      problem,
      tags: [...new Set([...orders, ...unreadable].map(({ tag }) => tag))],
      ordersOf: (tag) => byTag.get(tag) ?? [],
      statedOrdersOf: (tag) => stated.get(tag) ?? [],
      unreadableOf: (tag) => unreadableByTag.get(tag) ?? [],
      signatureOf: (tag) => signatureOf(stated.get(tag) ?? [], unreadableByTag.get(tag) ?? [])
    })
  })
})

const signatureOf = (orders: ReadonlyArray<BrokerOrder>, unreadable: ReadonlyArray<UnreadableOrder>): string =>
  [
    ...orders.map(({ brokerOrderId, status, quantity, filledQuantity, averagePrice }) =>
      [
        brokerOrderId,
        status,
        quantity,
        filledQuantity,
        averagePrice === null ? "" : BigDecimal.format(averagePrice)
      ].join(" ")
    ),
    ...unreadable.map(({ brokerOrderId, problem }) => `${brokerOrderId} ${problem}`)
  ].join("\n")

/**
 * Reports an unreadable order list: a warning each time and, after {@link maxUnreadable}, one error that `health` shows too. A
 * list in which every row of ours is unreadable counts as unreadable; the warnings for its rows are given elsewhere. Returns what
 * `health` is to show.
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
      return null
    }
    const outcome = Exit.isSuccess(answer) ? "every row of ours" : event.outcome
    unreadableSince ??= at
    const since = `the broker's order list cannot be read since ${DateTime.formatIso(unreadableSince)} (${outcome})`
    if (!isReported && Duration.isGreaterThanOrEqualTo(DateTime.distance(unreadableSince, at), maxUnreadable)) {
      isReported = true
      yield* status.blocked("monitor", since)
      yield* Effect.logError(
        `${since}: unknown outcomes stay unknown, and nobody hears of fills and refusals. Look at the broker's own pages`,
        event.response
      )
      return since
    }
    if (Exit.isSuccess(answer)) return isReported ? since : null
    yield* Effect.logWarning(
      `The broker's order list could not be read (${outcome}); unknown outcomes stay unknown`,
      event.response
    )
    return isReported ? since : null
  })
})
