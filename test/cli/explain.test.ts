import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { explain } from "../../src/cli/commands/explainCommand.ts"
import { explanationText } from "../../src/cli/terminal/renderExplanation.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { planOrder, type PlanningRules, unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import { algorithmVersion } from "../../src/domain/planning/schedule/Schedule.ts"
import { noLimits } from "../support/generatedOrders.ts"
import { anOrder } from "../support/orders.ts"

/** The output of `explain` for an order of four slices over an hour from the start. */
const explained = (start: string, rules: Partial<PlanningRules>) => {
  const at = DateTime.makeUnsafe(start)
  const order = anOrder({ numSplits: 4, sessionPolicy: "NEXT_SESSION" })
  const plan = Result.getOrThrow(planOrder(order, { ...noLimits, ...rules }, unknownInstrument, at))
  const startsAt = plan.startsAt ?? at
  const stored = {
    ...plan,
    startsAt,
    endsAt: DateTime.addDuration(startsAt, plan.endMillis),
    algorithmVersion,
    createdAt: at
  }
  const explanation = explain(stored, [])
  return { text: explanationText(explanation).join("\n"), slices: explanation.slices }
}

describe("explain", () => {
  it("shows times in India with the day, and none while the market is closed", () => {
    // A Friday, a quarter of an hour before the close.
    const { text, slices } = explained("2026-11-27T15:00:00+05:30", { calendar: builtInCalendar })
    const slots = [...text.matchAll(/(2026-\S+ \S+) – (2026-\S+ \S+) +(2026-\S+ \S+) {2}/g)]
    assert.deepStrictEqual(
      slots.map(([, from, to]) => [from, to]),
      [
        ["2026-11-27 15:00:00.000", "2026-11-30 09:15:00.000"],
        ["2026-11-30 09:15:00.000", "2026-11-30 09:30:00.000"],
        ["2026-11-30 09:30:00.000", "2026-11-30 09:45:00.000"],
        ["2026-11-30 09:45:00.000", "2026-11-30 09:59:59.999"]
      ]
    )
    assert.include(text, "SLOT (IST)")
    for (const [index, [, , , due]] of slots.entries()) {
      const dueAt = slices[index]?.dueAt
      assert.strictEqual(
        due,
        dueAt === undefined
          ? ""
          : DateTime.formatIso(DateTime.add(dueAt, { minutes: 330 }))
              .slice(0, 23)
              .replace("T", " ")
      )
    }
  })

  it("shows times in UTC when the plan keeps no trading hours", () => {
    const { text } = explained("2026-11-27T15:00:00Z", {})
    assert.include(text, "SLOT (UTC)")
    assert.match(text, /\n *1 +15:00:00\.000 – 15:15:00\.000 +15:\d\d:\d\d\.\d{3} {2}/)
  })
})
