import { DateTime } from "effect"
import type {
  RecordedAction,
  RecordedCall,
  RecordedOrder,
  RecordedPlan,
  RecordedSlice
} from "../domain/lifecycle/OrderRecord.ts"
import { detailsText } from "../domain/operations/operatorAction.ts"
import { decimalText } from "../domain/text/decimals.ts"
import { counted } from "../domain/text/plural.ts"
import { slicesText } from "./words.ts"

/** The order as it was received: its total is that of the first plan, because an amendment changes the stored one. */
export const orderText = (
  order: RecordedOrder,
  plans: ReadonlyArray<RecordedPlan>,
  slices: ReadonlyArray<RecordedSlice>
): string => {
  const second = plans[1]?.firstSequence
  const asSplit = slices.filter(({ sequenceNumber }) => second === undefined || sequenceNumber < second)
  const total = second === undefined ? order.totalQuantity : quantityOf(asSplit)
  const limit = order.limitPrice === null ? "" : ` ${decimalText(order.limitPrice)}`
  return (
    `${order.side ?? "?"} ${total ?? "?"} ${order.instrument ?? "?"}, ${order.strategy} in ${counted(order.numSplits ?? "?", "slice")} ` +
    `over ${counted(order.durationMinutes ?? "?", "minute")}, ${order.orderType}${limit} ${order.productType} ${order.validity}` +
    (order.key === null ? "" : `, key ${JSON.stringify(order.key)}`)
  )
}

/** A plan's own slices, its window, and the slices that it replaced. */
export const planText = (
  plan: RecordedPlan,
  own: ReadonlyArray<RecordedSlice>,
  replaced: ReadonlyArray<RecordedSlice>
): string =>
  [
    `${own.length === 0 ? "no slices" : slicesText(numbersOf(own))}, ${quantityOf(own)} in all, ` +
      `${DateTime.formatIso(plan.startsAt)} to ${DateTime.formatIso(plan.endsAt)}`,
    ...(replaced.length === 0
      ? []
      : [`instead of ${slicesText(numbersOf(replaced))}, ${quantityOf(replaced)} in all, which were not sent`])
  ].join("; ")

/** The broker's answer, in words. */
export const answerText = (call: RecordedCall): string => {
  const took = `after ${call.durationMillis.toFixed(1)} ms`
  const said = saidBy(call)
  switch (call.outcome) {
    case "ok":
      return call.call === "place" ? `acknowledged ${took} as ${call.brokerOrderId ?? "?"}` : `accepted ${took}`
    case "refused":
      return `refused ${took}: ${said}`
    case "try_later":
      return `not taken, ${took}; to be tried later: ${said}`
    case "credentials_invalid":
      return `not taken, ${took}; ${credentialsText(call)}: ${call.message ?? said}`
    case "not_sent":
      return `not sent: ${said}`
    case "unknown":
      return `no clear answer ${took}, nobody knows whether it had an effect: ${said}`
    default:
      return `${call.outcome} ${took}: ${said}`
  }
}

/** Which of the credentials the broker did not accept. */
const credentialsText = ({ code }: RecordedCall): string => {
  switch (code) {
    case "address":
      return "the broker takes no orders from this address"
    case "permission":
      return "the account or the app may not do this"
    default:
      return "the access token is not valid"
  }
}

/** The broker's code and message, in the form of a slice's stage reason. */
export const saidBy = ({ code, message }: RecordedCall): string =>
  [code, message].filter((part) => part !== null).join(": ") || "nothing more is recorded"

/** The state of a slice's broker order, in words: `COMPLETE, 100 of 100 filled at 10.5`. */
export const fillText = (slice: RecordedSlice): string => {
  const price = slice.averagePrice === null ? "" : ` at ${decimalText(slice.averagePrice)}`
  return [
    `${slice.brokerStatus ?? "nothing is known"}, ${slice.filledQuantity} of ${slice.quantity} filled${slice.filledQuantity === 0 ? "" : price}`,
    ...(slice.brokerStatusText === null || slice.brokerStatusText === slice.brokerStatus
      ? []
      : [slice.brokerStatusText]),
    ...(slice.carriedQuantity === 0 ? [] : [`${slice.carriedQuantity} of it were carried into later slices`]),
    ...(slice.isWaived ? ["a person gave up the rest"] : [])
  ].join("; ")
}

/** An operator's action, its reason and its result. `number` is that of the slice, if it concerned one. */
export const actionText = (
  { action, operator, reason, sliceId, details }: RecordedAction,
  number: number | undefined
): string => {
  const which = sliceId === null ? "" : ` of ${number === undefined ? sliceId : `slice ${number}`}`
  const came = detailsText(details)
  return `${action}${which} by ${operator}: ${reason}${came === "" ? "" : ` (${came})`}`
}

const quantityOf = (slices: ReadonlyArray<RecordedSlice>): number =>
  slices.reduce((sum, { quantity }) => sum + quantity, 0)

const numbersOf = (slices: ReadonlyArray<RecordedSlice>): ReadonlyArray<number> =>
  slices.map(({ sequenceNumber }) => sequenceNumber)
