import type { Placement } from "../src/broker/Broker.ts"
import { isTerminal } from "../src/domain/model/BrokerOrder.ts"
import { type LedgerOrder, type LedgerStep, type Oddity, stepAt } from "./LedgerOrder.ts"
import type { SeededChoices } from "./SeededChoices.ts"

/** An oddity that follows the order's end, whatever ends it. */
export const isLate = (oddity: Oddity | null): boolean =>
  oddity?.kind === "resurrected" || oddity?.kind === "contradictory"

/** Draws what happens to an order that would go these steps. */
export const oddityOf = (
  chance: SeededChoices,
  { quantity }: Placement,
  steps: ReadonlyArray<LedgerStep>
): Oddity | null => {
  const opensAt = steps.find(({ status }) => status === "OPEN")?.atSeconds
  const endsAt = steps.at(-1)?.atSeconds
  if (opensAt === undefined || endsAt === undefined) return null
  const atSeconds = chance.between(opensAt, endsAt)
  const other = chance.whole(1, quantity * 2)
  return chance.oneOf<Oddity>([
    { kind: "cancelled by a person", atSeconds },
    { kind: "cancelled by a person", atSeconds },
    { kind: "changed by a person", atSeconds, quantity: other === quantity ? quantity + 1 : other },
    { kind: "resurrected", afterSeconds: chance.between(1, 30) },
    { kind: "contradictory", forSeconds: chance.between(0.5, 6) }
  ])
}

/** The steps of an order with what happens to it. */
export const withOddity = (
  steps: ReadonlyArray<LedgerStep>,
  quantity: number,
  oddity: Oddity | null
): ReadonlyArray<LedgerStep> => {
  const end = steps.at(-1)
  if (oddity === null || end === undefined) return steps
  if (oddity.kind === "contradictory") return steps
  if (oddity.kind === "resurrected") {
    if (end.status !== "CANCELLED" || end.filledQuantity === quantity) return steps
    const atSeconds = end.atSeconds + oddity.afterSeconds
    return [...steps, { atSeconds, status: "COMPLETE", filledQuantity: quantity }]
  }
  const before = steps.filter(({ atSeconds }) => atSeconds <= oddity.atSeconds)
  const filled = before.at(-1)?.filledQuantity ?? 0
  if (isTerminal(before.at(-1)?.status ?? "PENDING")) return steps
  if (oddity.kind === "cancelled by a person") {
    return [...before, { atSeconds: oddity.atSeconds, status: "CANCELLED", filledQuantity: filled }]
  }
  if (oddity.quantity < filled) return steps
  return [...before, { atSeconds: oddity.atSeconds + 1, status: "COMPLETE", filledQuantity: oddity.quantity }]
}

/** The quantity of the broker order at a time, as its row tells it. */
export const quantityAt = ({ oddity, placement, steps }: LedgerOrder, atSeconds: number): number => {
  const end = steps.at(-1)
  // It came too late, or was cancelled first.
  const isChanged = oddity?.kind === "changed by a person" && end?.filledQuantity === oddity.quantity
  return isChanged && atSeconds >= oddity.atSeconds ? oddity.quantity : placement.quantity
}

/** The step that the order's row shows at a time. */
export const shownStep = (order: LedgerOrder, atSeconds: number): LedgerStep => {
  const step = stepAt(order, atSeconds)
  const { oddity } = order
  if (oddity?.kind !== "contradictory" || step.status !== "COMPLETE") return step
  return atSeconds < step.atSeconds + oddity.forSeconds ? { ...step, filledQuantity: 0 } : step
}
