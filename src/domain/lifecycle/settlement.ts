import { BigDecimal, Schema } from "effect"
import { type BrokerOrder, brokerOrderIdsOf, isTerminal, type UnreadableOrder } from "../model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../model/Ids.ts"
import { ClaimVersion, type OpenSlice, Stage } from "../model/OrderSlice.ts"

/** A slice as the database has it, to be compared with the broker's order list. A repair is written only if it is unchanged since. */
export const SettledSlice = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  sequenceNumber: Schema.Int,
  tag: Tag,
  requestId: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String),
  stage: Stage,
  claimVersion: ClaimVersion,
  /** The plan whose slices replace it. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** How much of its quantity later slices took over. */
  carriedQuantity: Schema.Int,
  quantity: Schema.Int,
  validity: Schema.String,
  productType: Schema.String,
  /** The venue whose trading hours it keeps; null if it was planned without a calendar. */
  market: Schema.NullOr(Schema.String),
  brokerOrderId: Schema.NullOr(BrokerOrderId),
  brokerStatus: Schema.NullOr(Schema.String),
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.BigDecimalFromString),
  /** In milliseconds since 1970; null if the broker has not acknowledged it. */
  acknowledgedMillis: Schema.NullOr(Schema.Int),
  /** This service has sent a cancel for it, or a person has cancelled its whole order here. */
  isCancelAsked: Schema.Boolean
})
export type SettledSlice = typeof SettledSlice.Type

interface Weight {
  /** A person has to act: an error, and a message. Otherwise a warning. */
  readonly isCritical: boolean
  /** The order goes on hold until a person resumes it. */
  readonly isHeld: boolean
  /** It is told of only when it has been there for some looks, because such rows mend themselves. */
  readonly isPatient: boolean
}

const alarm: Weight = { isCritical: true, isHeld: true, isPatient: false }
const toldLate: Weight = { isCritical: false, isHeld: false, isPatient: true }
const silent: Weight = { isCritical: false, isHeld: false, isPatient: false }

/**
 * What may differ between a slice and the broker's order list, most serious first, with its weight. The table of
 * `doc/guides/reliability.md` explains each.
 */
export const differenceKinds = {
  /** The broker has several orders for the slice. */
  double_placement: alarm,
  /** Something was filled of it after other slices took its quantity over. */
  filled_after_carry: alarm,
  /** More was filled than the slice has. */
  overfilled: alarm,
  /** Somebody has changed the quantity of the broker order. */
  quantity_changed: alarm,
  /** The tag has another broker order than the one that was acknowledged. */
  other_order: alarm,
  /** Somebody else has cancelled the broker order during the session. */
  cancelled_at_broker: alarm,
  /** The broker has acknowledged it, and its order list does not show it. */
  absent: alarm,
  /** The state was final, and is another one now. */
  final_changed: alarm,
  /** A broker order has a tag of our form that no slice has. */
  unknown_order: { ...alarm, isHeld: false },
  /** The row of its broker order contradicts itself. */
  contradictory: toldLate,
  /** It is over, and the broker does not tell the price of what was filled. */
  price_unknown: toldLate,
  /** The order list shows less than it did before. */
  behind: toldLate,
  /** A row of it cannot be read. */
  unreadable: silent,
  /** It is in doubt, and the order list does not show it. */
  in_doubt: silent,
  /** The broker has it, and the database does not know. */
  not_recorded: silent,
  /** Its state has changed. */
  state: silent
} satisfies Readonly<Record<string, Weight>>

export type DifferenceKind = keyof typeof differenceKinds

export const differenceKindNames: ReadonlyArray<string> = Object.keys(differenceKinds)

/** How a slice differs from the broker's order list. */
export interface SliceDifference {
  readonly kind: DifferenceKind
  readonly text: string
  /** What it consists of: the same difference with other facts is a new one. */
  readonly facts: string
  readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>
  /** The broker order that a repair writes to the slice; null if only a person can decide. */
  readonly repair: BrokerOrder | null
}

/** The rows of one tag in the order list, and what is known of the moment. Times in milliseconds since 1970. */
export interface RowsOfTag {
  readonly orders: ReadonlyArray<BrokerOrder>
  readonly unreadable: ReadonlyArray<UnreadableOrder>
  /** Orders acknowledged later may be missing from the list. */
  readonly completeUntilMillis: number
  /** Whether the exchange or the broker may have ended the order by itself: then its cancel was nobody's wish. */
  readonly mayEndByItself: boolean
}

/** A refused order of which nothing was filled is no placement: the same tag may have another one, after a retry. */
const isPlacement = ({ status, filledQuantity }: BrokerOrder): boolean => status !== "REJECTED" || filledQuantity > 0

/** The orders of one tag that count as placements. More than one means that its slice was placed twice. */
export const placementsAmong = (orders: ReadonlyArray<BrokerOrder>): ReadonlyArray<BrokerOrder> =>
  orders.filter(isPlacement)

/**
 * The broker's order of a slice: the one that is a placement, else the known one, else, if none is known, the last one. A refused order
 * with another id than the known one is that of an earlier attempt.
 */
export const orderOf = (orders: ReadonlyArray<BrokerOrder>, known: string | null): BrokerOrder | null =>
  placementsAmong(orders)[0] ??
  orders.find(({ brokerOrderId }) => brokerOrderId === known) ??
  (known === null ? orders.at(-1) : null) ??
  null

/**
 * Whether an open slice and the rows of its tag differ in nothing but the progress of its order, so that {@link differencesOf} would
 * find nothing. It needs less of the slice.
 */
export const isOnCourse = (
  slice: OpenSlice,
  { orders: [order, ...more], unreadable }: Pick<RowsOfTag, "orders" | "unreadable">
): boolean =>
  order !== undefined &&
  more.length === 0 &&
  unreadable.length === 0 &&
  order.brokerOrderId === slice.brokerOrderId &&
  order.contradiction === undefined &&
  order.filledQuantity <= slice.quantity &&
  (order.quantity ?? slice.quantity) === slice.quantity &&
  order.status !== "CANCELLED" &&
  !isUnpriced(order)

/** An order that is over, and of which the broker does not tell the price of what was filled. */
export const isUnpriced = ({ status, filledQuantity, averagePrice }: BrokerOrder): boolean =>
  isTerminal(status) && filledQuantity > 0 && averagePrice === null

/**
 * Compares a slice with the rows of its tag in the broker's order list: what differs, most serious first; nothing if they agree. The
 * monitor calls it for every tag whose rows have changed, and the command `settle` for every slice of a day.
 */
export const differencesOf = (slice: SettledSlice, rows: RowsOfTag): ReadonlyArray<SliceDifference> => {
  const { orders, unreadable } = rows
  const brokerOrderIds = brokerOrderIdsOf([...placementsAmong(orders), ...unreadable])
  const differs = (kind: DifferenceKind, text: string, facts: string, repair: BrokerOrder | null = null) => ({
    kind,
    text,
    facts,
    brokerOrderIds,
    repair
  })
  if (brokerOrderIds.length > 1) {
    const ids = brokerOrderIds.join(", ")
    return [differs("double_placement", `PLACED ${brokerOrderIds.length} TIMES: ${ids}`, ids)]
  }
  const order = orderOf(orders, slice.brokerOrderId)
  const odd = unreadable.find(({ brokerOrderId }) => order === null || brokerOrderId !== order.brokerOrderId)
  if (odd !== undefined) {
    const which = odd.brokerOrderId === null ? "" : ` for ${odd.brokerOrderId}`
    const text = `the order list has a row of it${which} that cannot be read: ${odd.problem}`
    return [differs("unreadable", text, odd.problem)]
  }
  return judged(slice, order, rows, differs).filter((difference) => difference !== null)
}

const judged = (
  slice: SettledSlice,
  order: BrokerOrder | null,
  rows: RowsOfTag,
  differs: Differs
): ReadonlyArray<SliceDifference | null> => {
  if (order === null) return [judgeAbsent(slice, rows, differs)]
  if (slice.stage !== "PROCESSED") {
    return isPlacement(order) ? judgeUnrecorded(slice, order, rows, differs) : [unresolved(slice, order, differs)]
  }
  if (slice.brokerOrderId !== order.brokerOrderId) {
    const text = `${slice.brokerOrderId} here, ${order.brokerOrderId} in the order list`
    return [differs("other_order", text, order.brokerOrderId)]
  }
  const quantity = judgeQuantity(slice, order, differs)
  // What was filled after the carry is told with its state.
  return quantity?.kind === "filled_after_carry" ? [quantity] : [quantity, judgeState(slice, order, rows, differs)]
}

type Differs = (kind: DifferenceKind, text: string, facts: string, repair?: BrokerOrder | null) => SliceDifference

const judgeAbsent = (
  { acknowledgedMillis, brokerOrderId, stage }: SettledSlice,
  { completeUntilMillis }: RowsOfTag,
  differs: Differs
): SliceDifference | null => {
  if (stage === "IN_PROGRESS") return differs("in_doubt", "still in doubt, and not in the order list", "")
  if (stage !== "PROCESSED" || (acknowledgedMillis ?? 0) > completeUntilMillis) return null
  return differs("absent", `${brokerOrderId} is not in the order list`, brokerOrderId ?? "")
}

/** A refused order resolves a slice in doubt, and says nothing of one that is known not to be placed. */
const unresolved = ({ stage }: SettledSlice, order: BrokerOrder, differs: Differs): SliceDifference | null =>
  stage === "IN_PROGRESS"
    ? differs(
        "not_recorded",
        `${stage} here, but the broker has it as ${order.brokerOrderId}`,
        order.brokerOrderId,
        order
      )
    : null

const judgeUnrecorded = (
  slice: SettledSlice,
  order: BrokerOrder,
  rows: RowsOfTag,
  differs: Differs
): ReadonlyArray<SliceDifference | null> => {
  const { carriedQuantity, replacedBy, stage } = slice
  const has = `the broker has it as ${order.brokerOrderId}`
  if (replacedBy !== null) {
    return [differs("filled_after_carry", `replaced by plan ${replacedBy}, but ${has}`, order.brokerOrderId)]
  }
  if (carriedQuantity > 0) {
    const text = `${stage} here, and later slices took over ${carriedQuantity} of it, but ${has}`
    return [differs("filled_after_carry", text, order.brokerOrderId)]
  }
  return [
    judgeQuantity(slice, order, differs),
    judgeCancel(slice, order, rows, differs),
    differs("not_recorded", `${stage} here, but ${has}`, order.brokerOrderId, order)
  ]
}

const judgeQuantity = (slice: SettledSlice, order: BrokerOrder, differs: Differs): SliceDifference | null => {
  const { carriedQuantity, filledQuantity, quantity } = slice
  const { brokerOrderId, filledQuantity: filled } = order
  if (carriedQuantity > 0 && filled > filledQuantity) {
    const text = `${storyOf(slice)} here, ${storyOf(order, slice)} in the order list; later slices took over ${carriedQuantity} of it`
    return differs("filled_after_carry", text, `${filled}`)
  }
  if (filled > quantity) {
    return differs("overfilled", `${brokerOrderId}: ${filled} filled of ${quantity}`, `${filled}`, order)
  }
  if (order.contradiction !== undefined) return null
  if (order.quantity === null || order.quantity === quantity || !isPlacement(order)) return null
  const text = `${brokerOrderId}: somebody has changed its quantity from ${quantity} to ${order.quantity}`
  return differs("quantity_changed", text, `${order.quantity}`, order)
}

const judgeCancel = (
  { isCancelAsked, quantity, validity }: SettledSlice,
  order: BrokerOrder,
  { mayEndByItself }: RowsOfTag,
  differs: Differs
): SliceDifference | null => {
  const { brokerOrderId, filledQuantity, isExpired, status } = order
  const isOurs = isCancelAsked || validity === "IOC" || isExpired === true || mayEndByItself
  if (status !== "CANCELLED" || isOurs || filledQuantity >= quantity) return null
  const text = `${brokerOrderId}: somebody else has cancelled it, with ${filledQuantity} of ${quantity} filled`
  return differs("cancelled_at_broker", text, brokerOrderId, order)
}

const judgeState = (
  slice: SettledSlice,
  order: BrokerOrder,
  rows: RowsOfTag,
  differs: Differs
): SliceDifference | null => {
  const { brokerIsFinal, brokerStatus, carriedQuantity, filledQuantity } = slice
  const { brokerOrderId, contradiction } = order
  if (contradiction !== undefined) {
    return brokerIsFinal && order.filledQuantity <= filledQuantity
      ? null
      : differs("contradictory", `${brokerOrderId}: its row says ${contradiction}`, contradiction)
  }
  if (!brokerIsFinal) {
    const cancelled = judgeCancel(slice, order, rows, differs)
    if (cancelled !== null) return cancelled
  }
  if (isUnpriced(order) && slice.averagePrice === null) {
    const text = `${brokerOrderId}: the price of ${order.filledQuantity} filled is not known`
    return differs("price_unknown", text, "", brokerIsFinal ? null : order)
  }
  if (isInState(slice, order)) return null
  const text = `${storyOf(slice)} here, ${storyOf(order, slice)} in the order list`
  if (carriedQuantity > 0 && !isTerminal(order.status)) {
    return differs("behind", `${text}; later slices took over ${carriedQuantity} of it`, "")
  }
  if (!brokerIsFinal || (order.status === brokerStatus && order.filledQuantity === filledQuantity)) {
    return differs("state", text, "", order)
  }
  if (!isTerminal(order.status) && order.filledQuantity <= filledQuantity) return differs("behind", text, "", order)
  const facts = `${order.status} ${order.filledQuantity}`
  return differs("final_changed", `${brokerOrderId}: its state was final: ${text}`, facts, order)
}

/** Whether the slice has the order's state, quantity and price, as far as they are known. */
export const isInState = (slice: SettledSlice, order: BrokerOrder): boolean => storyOf(slice) === storyOf(order, slice)

/** The state of an order in words: `COMPLETE, 100 filled at 10.5`. */
const storyOf = (said: SettledSlice | BrokerOrder, like: Pick<SettledSlice, "averagePrice"> | null = null): string => {
  const status = "status" in said ? said.status : (said.brokerStatus ?? "nothing known")
  // The database stores four decimals.
  const price =
    said.averagePrice === null ? (like?.averagePrice ?? null) : BigDecimal.round(said.averagePrice, { scale: 4 })
  const at = price === null || said.filledQuantity === 0 ? "" : ` at ${BigDecimal.format(BigDecimal.normalize(price))}`
  return `${status}, ${said.filledQuantity} filled${at}`
}
