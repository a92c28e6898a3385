import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { explain } from "../../src/cli/commands/explainCommand.ts"
import { explanationText } from "../../src/cli/terminal/renderExplanation.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { planOrder, type PlanningRules, unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import { algorithmVersion, planSchedule, wholeMinutes } from "../../src/domain/planning/schedule/Schedule.ts"
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
        ["2026-11-27 15:00:00.000", "2026-11-30 09:21:51.937"],
        ["2026-11-30 09:21:51.937", "2026-11-30 09:36:51.937"],
        ["2026-11-30 09:36:51.937", "2026-11-30 09:51:51.937"],
        ["2026-11-30 09:51:51.937", "2026-11-30 09:59:59.999"]
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
    assert.match(text, /\n *1 +15:00:00\.000 – 15:\d\d:\d\d\.\d{3} +15:\d\d:\d\d\.\d{3} {2}/)
  })

  it("makes a plan of an earlier version again as it was, and says which versions it knows", () => {
    const at = DateTime.makeUnsafe("2026-11-24T04:00:00Z")
    const plan = Result.getOrThrow(planOrder(anOrder({ numSplits: 4 }), noLimits, unknownInstrument, at))
    const { hiding: _, ...input } = plan.input
    const before = {
      ...plan,
      input,
      startsAt: at,
      endsAt: DateTime.addDuration(at, plan.endMillis),
      algorithmVersion: 3,
      createdAt: at
    }
    const old = Result.getOrThrow(planSchedule(plan.input, wholeMinutes, 3))
    const explained = explain(before, [])
    assert.deepStrictEqual(
      explained.slices.map(({ quantity, offsetMillis, slotToMillis }) => [quantity, offsetMillis, slotToMillis]),
      old.map(({ quantity, offsetMillis }, index) => [quantity, offsetMillis, (index + 1) * 900_000])
    )
    assert.notDeepEqual(
      old.map(({ quantity }) => quantity),
      plan.slices.map(({ quantity }) => quantity)
    )
    assert.include(explain({ ...before, algorithmVersion: 2 }, []).problem, "this service knows versions 3 and 4")
  })
})
