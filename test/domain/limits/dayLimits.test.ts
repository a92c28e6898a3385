import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Schema } from "effect"
import {
  breachesOfDay,
  breachOfAmendment,
  dayAround,
  dayIsOver,
  fitIntoDay,
  valueOf
} from "../../../src/domain/limits/dayLimits.ts"

const decimal = BigDecimal.fromStringUnsafe
const none = { ordersPerDay: Option.none(), valuePerDay: Option.none() }
const orders = (limit: number) => ({ ...none, ordersPerDay: Option.some(limit) })
const value = (limit: string) => ({ ...none, valuePerDay: Option.some(decimal(limit)) })
const totals = (count: number, sum: string) => ({ orders: count, value: decimal(sum) })

describe("the day's limits", () => {
  it("allow a total that is exactly at them, and name the limit that a larger one breaks", () => {
    assert.deepStrictEqual(breachesOfDay(decimal("5.05"), totals(9, "94.95"), { ...orders(10), ...value("100") }), [])
    assert.deepStrictEqual(breachesOfDay(null, totals(10, "0"), orders(10)), [
      "it would be order 11 of the day, and LIMIT_ORDERS_PER_DAY is 10"
    ])
    assert.deepStrictEqual(breachesOfDay(decimal("5.06"), totals(0, "94.95"), value("100")), [
      "the day's orders would come to 100.01, above LIMIT_VALUE_PER_DAY (100)"
    ])
    assert.deepStrictEqual(breachesOfDay(null, totals(1_000_000, "1e12"), none), [])
  })

  it("refuse an order without a known price, but only when the value is limited", () => {
    assert.match(breachesOfDay(null, totals(0, "0"), value("1"))[0] ?? "", /^no price of its instrument is known/)
    assert.deepStrictEqual(breachesOfDay(null, totals(0, "0"), orders(1)), [])
  })

  it("value an order by its limit price, otherwise by the last known price", () => {
    const text = (amount: BigDecimal.BigDecimal | null) => (amount === null ? null : BigDecimal.format(amount))
    assert.strictEqual(text(valueOf({ totalQuantity: 3, limitPrice: decimal("0.1") }, decimal("9"))), "0.3")
    assert.strictEqual(text(valueOf({ totalQuantity: 3, limitPrice: null }, decimal("9"))), "27")
    assert.strictEqual(text(valueOf({ totalQuantity: 3, limitPrice: null }, null)), null)
  })

  it("allow an amendment to add what the day has room for, and to reduce at any time", () => {
    const limitOrder = (limitPrice: string) => ({ totalQuantity: 1, limitPrice: decimal(limitPrice) })
    const change = (before: string, after: string) => ({ before: limitOrder(before), after: limitOrder(after) })
    assert.isNull(breachOfAmendment(change("10", "20"), null, totals(2, "90"), value("100")))
    assert.strictEqual(
      breachOfAmendment(change("10", "20.01"), null, totals(2, "90"), value("100")),
      "the day's orders would come to 100.01, above LIMIT_VALUE_PER_DAY (100)"
    )
    assert.isNull(breachOfAmendment(change("20", "10"), null, totals(2, "500"), value("100")))
    assert.isNull(breachOfAmendment(change("10", "999"), null, totals(2, "500"), none))
  })

  it("value an amended MARKET order by the price at its split, and refuse an increase without one", () => {
    const market = (totalQuantity: number) => ({ totalQuantity, limitPrice: null })
    const change = (before: number, after: number) => ({ before: market(before), after: market(after) })
    assert.isNull(breachOfAmendment(change(1, 2), decimal("10"), totals(2, "90"), value("100")))
    assert.match(
      breachOfAmendment(change(1, 3), decimal("10"), totals(2, "90"), value("100")) ?? "",
      /would come to 110, above/
    )
    assert.match(breachOfAmendment(change(1, 2), null, totals(2, "0"), value("100")) ?? "", /^no price was known/)
    assert.isNull(breachOfAmendment(change(2, 2), null, totals(2, "500"), value("100")))
    assert.isNull(breachOfAmendment(change(2, 1), null, totals(2, "500"), value("100")))
    assert.isNull(breachOfAmendment(change(1, 2), null, totals(2, "500"), none))
  })

  it("are broken by a day that is above them, not by one that is at them", () => {
    assert.isNull(dayIsOver(totals(10, "100"), { ...orders(10), ...value("100") }))
    assert.match(dayIsOver(totals(11, "0"), orders(10)) ?? "", /^the 11 orders of the day are more than LIMIT_ORDERS/)
    assert.match(
      dayIsOver(totals(0, "100.01"), value("100")) ?? "",
      /come to 100.01, above LIMIT_VALUE_PER_DAY \(100\)/
    )
  })

  it("apply to the day in India", () => {
    const around = (iso: string) => {
      const { from, to } = dayAround(DateTime.makeUnsafe(iso))
      return [DateTime.formatIso(from), DateTime.formatIso(to)]
    }
    const day = ["2026-11-23T18:30:00.000Z", "2026-11-24T18:30:00.000Z"]
    assert.deepStrictEqual(around("2026-11-23T18:30:00Z"), day)
    assert.deepStrictEqual(around("2026-11-24T18:29:59.999Z"), day)
  })

  const Amount = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })))
  const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 }))
  it.prop(
    "admit orders one after the other, each that still fits and no other",
    [
      Schema.Array(Amount).check(Schema.isMaxLength(20)),
      Limit,
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 }))
    ],
    ([amounts, maxValue, maxOrders]) => {
      const limits = { ...value(`${maxValue}`), ordersPerDay: Option.some(maxOrders) }
      const all = amounts.map((amount, index) => ({ index, value: amount === null ? null : decimal(`${amount}`) }))
      const { within, beyond } = fitIntoDay(all, totals(0, "0"), limits)
      assert.sameMembers([...within, ...beyond.map(({ order }) => order)], all)
      const sum = within.reduce((total, order) => total + (amounts[order.index] ?? 0), 0)
      assert.isTrue(sum <= maxValue && within.length <= maxOrders)
      for (const { order } of beyond) {
        const before = within.filter(({ index }) => index < order.index)
        const already = before.reduce((total, { index }) => total + (amounts[index] ?? 0), 0)
        const amount = amounts[order.index] ?? null
        assert.isTrue(amount === null || already + amount > maxValue || before.length >= maxOrders)
      }
    }
  )
})
