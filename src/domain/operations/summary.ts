import { counted } from "../text/plural.ts"
import { shortened } from "../text/shortened.ts"
import type { Delivery, Notification, NotificationKind } from "./notification.ts"

/** More notifications of one kind than this that are due at once are delivered as one message. */
export const maxSingle = 5

/**
 * The most notifications that one message sums up. Of all kinds but one, its words name each of them, so that nothing that
 * asks for an action is only counted; of unfilled orders, which may be thousands, it names the first.
 */
export const maxSummedUp = { shortfall: 10_000, otherKinds: 20 }

/** How many of the unfilled orders' notifications a summary quotes, and the most characters of each. */
const quotedOrders = 3
const maxOrderWords = 200
/** The most characters of each notification where a summary quotes all. */
const maxWords = 80

/**
 * The message that stands for `count` notifications of one kind, of which `members` are the first, oldest first. It belongs to no
 * one order. Its key stays the same for the same notifications.
 */
export const summaryOf = (
  key: string,
  members: readonly [Notification, ...ReadonlyArray<Notification>],
  count: number
): Delivery => {
  const [{ kind, severity, foundAt }] = members
  const message = words(kind, members, count)
  return { key, kind, severity, message, orderId: null, sliceId: null, reasonCode: null, foundAt, count }
}

const words = (kind: NotificationKind, members: ReadonlyArray<Notification>, count: number): string => {
  const orders = [...new Set(members.flatMap(({ orderId }) => orderId ?? []))]
  switch (kind) {
    case "double_placement":
      return (
        `DOUBLE PLACEMENT of ${count} slices: the broker has more orders or fills than there should be. On hold: ` +
        `${orders.join(", ")}. For each: see "order show ID", cancel what is too much by hand at the broker, then run: ` +
        `order resume ID`
      )
    case "outcome_unknown":
      return (
        `Slices of ${counted(orders.length, "order")} may or may not be at the broker: ${orders.join(", ")}. For each: see ` +
        `"order show ID" and the broker's own pages`
      )
    case "cancel_refused":
      return (
        `Open broker orders of ${counted(orders.length, "order")} should be cancelled, and the broker takes no cancels: ` +
        `${orders.join(", ")}. For each: see "order show ID", and cancel them at the broker`
      )
    case "shortfall":
      return (
        `${count} orders are over with something missing, or were never placed. The first: ` +
        `${quote(members.slice(0, quotedOrders), maxOrderWords)}. See them with: order list --limit ${count}`
      )
    default:
      return `${count} notifications of the kind ${kind}: ${quote(members, maxWords)}`
  }
}

const quote = (members: ReadonlyArray<Notification>, maxLength: number): string =>
  members.map(({ message }) => shortened(message, maxLength)).join("; ")
