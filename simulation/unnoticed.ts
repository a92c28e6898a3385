import { quantityAt } from "./oddOrders.ts"
import type { Run } from "./Run.ts"

/** What the service still has to notice of the orders that something odd has happened to, in words. */
export const unnoticed = (run: Run): ReadonlyArray<string> => {
  const { differences, orders, slices } = run.database.tables()
  return run.exchange.ledger.flatMap((order) => {
    const { oddity, placement, steps } = order
    if (oddity === null) return []
    const { tag } = placement
    if ((steps.at(-1)?.atSeconds ?? 0) > run.world.seconds) return [`${tag} changes yet`]
    const slice = slices.get(placement.sliceId)
    if (slice === undefined) return []
    const isNoted = (...kinds: ReadonlyArray<string>) => kinds.some((kind) => differences.has(`${tag} ${kind}`))
    const isCancelOurs = slice.cancelSentAt !== null || (orders.get(slice.orderId)?.cancelRequestedAt ?? null) !== null
    switch (oddity.kind) {
      case "cancelled by a person": {
        const isItsEnd = steps.at(-1)?.status === "CANCELLED" && steps.at(-1)?.atSeconds === oddity.atSeconds
        const isUsual =
          isCancelOurs || placement.validity === "IOC" || steps.at(-1)?.filledQuantity === placement.quantity
        return !isItsEnd || isUsual || isNoted("cancelled_at_broker")
          ? []
          : [`nobody is told that ${tag} was cancelled`]
      }
      case "changed by a person":
        return quantityAt(order, run.world.seconds) === placement.quantity || isNoted("quantity_changed", "overfilled")
          ? []
          : [`nobody is told that the quantity of ${tag} was changed`]
      case "resurrected":
        return slice.carriedQuantity === 0 || isNoted("filled_after_carry") || steps.at(-1)?.status !== "COMPLETE"
          ? []
          : [`nobody is told that ${tag} was filled after its end`]
      case "contradictory":
        return []
    }
  })
}
