import { BigDecimal, Duration } from "effect"
import type { Amendment } from "../src/domain/planning/replan/amend.ts"
import type { Action, Scenario } from "./Scenario.ts"
import { type kindsOf, pauseOf } from "./scenarioIncidents.ts"
import type { SeededChoices } from "./SeededChoices.ts"

export const actionsOf = (
  chance: SeededChoices,
  kinds: ReturnType<typeof kindsOf>,
  processes: ReadonlyArray<string>,
  orders: Scenario["orders"],
  calmFromSeconds: number
): Array<Action> => {
  const actions: Array<Action> = []
  const some = () => processes[chance.whole(0, processes.length - 1)] ?? "a"
  const when = () => whenOf(chance, calmFromSeconds)
  for (const { id } of orders) {
    if (chance.hits(0.15)) actions.push({ _tag: "Cancel", orderId: id, when: when() })
    if (chance.hits(0.1)) actions.push({ _tag: "Pause", orderId: id, when: when(), forSeconds: chance.between(1, 15) })
  }
  if (chance.hits(0.25)) actions.push({ _tag: "Halt", when: when(), forSeconds: chance.between(1, 15) })
  if (chance.hits(0.25)) actions.push({ _tag: "Stop", process: some(), when: when() })
  while (chance.hits(0.4)) {
    const kind = chance.oneOf(kinds)
    actions.push({
      _tag: "Happen",
      process: some(),
      kind,
      pauseMillis: pauseOf(chance),
      when: { seconds: chance.between(0, calmFromSeconds) }
    })
  }
  return actions
}

const inMidPlacement = (chance: SeededChoices): Action["when"] => ({
  placement: chance.whole(1, 12),
  afterMillis: chance.between(0, 30)
})

const whenOf = (chance: SeededChoices, calmFromSeconds: number): Action["when"] =>
  chance.hits(0.5) ? inMidPlacement(chance) : { seconds: chance.between(0, calmFromSeconds + 5) }

/**
 * Adds, in three of ten runs, amendments, cancels during the split, and halts and stops in the middle of a placement. Its own
 * random stream keeps the seeds from before it as they were.
 */
export const withSecondThoughts = (
  chance: SeededChoices,
  { processes, orders, calmFromSeconds }: Pick<Scenario, "processes" | "orders" | "calmFromSeconds">,
  others: ReadonlyArray<Action>
): ReadonlyArray<Action> => {
  if (chance.hits(0.7)) return others
  const actions = [...others]
  // One halt at a time: ending one ends all.
  if (chance.hits(0.4) && !others.some(({ _tag }) => _tag === "Halt")) {
    actions.push({ _tag: "Halt", when: inMidPlacement(chance), forSeconds: chance.between(1, 15) })
  }
  if (chance.hits(0.4)) {
    const process = processes[chance.whole(0, processes.length - 1)] ?? "a"
    actions.push({ _tag: "Stop", process, when: inMidPlacement(chance) })
  }
  for (const { id, insertedAtSeconds, orderType, totalQuantity } of orders) {
    if (chance.hits(0.15)) {
      actions.push({ _tag: "Cancel", orderId: id, when: { seconds: insertedAtSeconds + chance.between(0, 0.03) } })
    }
    while (chance.hits(0.5)) {
      const amendment: Amendment = {
        remainingQuantity: chance.hits(0.6) ? chance.whole(1, totalQuantity * 2) : null,
        numSlices: chance.hits(0.5) ? chance.whole(1, 12) : null,
        remainingWindow: chance.hits(0.4) ? Duration.minutes(chance.whole(0, 1)) : null,
        limitPrice:
          orderType === "LIMIT" && chance.hits(0.4) ? BigDecimal.make(BigInt(chance.whole(9000, 11_000)), 2) : null,
        note: "operator: changed their mind"
      }
      actions.push({ _tag: "Amend", orderId: id, amendment, when: whenOf(chance, calmFromSeconds) })
    }
  }
  return actions
}
