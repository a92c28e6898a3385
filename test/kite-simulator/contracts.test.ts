import { assert, describe, it } from "@effect/vitest"
import { contractsOn } from "../../src/kite-simulator/contracts.ts"
import { daysAfter } from "../../src/kite-simulator/exchangeDays.ts"
import { isOpen, dayOfYear } from "../support/exchangeHours.ts"

const symbolsOn = (day: string, name: string, type: "FUT" | "CE" = "FUT") =>
  contractsOn(day)
    .filter((contract) => contract.name === name && contract.type === type)
    .map(({ symbol, expiry }) => `${symbol} ${expiry}`)

describe("the contracts of the Kite simulator", () => {
  it("expire on the last Tuesday, Thursday or day of the month, and earlier if that is a holiday", () => {
    // Tuesday, 24 November and Tuesday, 10 November 2026 are holidays, as is Friday, 25 December.
    assert.deepStrictEqual(symbolsOn("2026-11-02", "NIFTY"), [
      "NIFTY26NOVFUT 2026-11-23",
      "NIFTY26DECFUT 2026-12-29",
      "NIFTY27JANFUT 2027-01-26"
    ])
    assert.deepStrictEqual(symbolsOn("2026-11-02", "SENSEX").slice(0, 2), [
      "SENSEX26NOVFUT 2026-11-26",
      "SENSEX26DECFUT 2026-12-31"
    ])
    assert.deepStrictEqual(symbolsOn("2026-11-02", "GOLDPETAL")[0], "GOLDPETAL26NOVFUT 2026-11-30")
    assert.strictEqual(symbolsOn("2026-03-02", "NIFTY")[0], "NIFTY26MARFUT 2026-03-30")
  })

  it("have weekly options in Kite's two forms", () => {
    assert.deepStrictEqual(symbolsOn("2026-11-02", "NIFTY", "CE"), [
      "NIFTY26N0326000CE 2026-11-03",
      "NIFTY26N0926000CE 2026-11-09",
      "NIFTY26N1726000CE 2026-11-17",
      "NIFTY26NOV26000CE 2026-11-23",
      "NIFTY26D0126000CE 2026-12-01"
    ])
    // After the Monday that stands for a holiday the next week is the first.
    assert.strictEqual(symbolsOn("2026-11-10", "NIFTY", "CE")[0], "NIFTY26N1726000CE 2026-11-17")
    assert.strictEqual(symbolsOn("2026-01-02", "NIFTY", "CE")[0], "NIFTY2610626000CE 2026-01-06")
  })

  it("are never expired, expire on trading days, and are equally many each day", () => {
    const count = contractsOn("2026-01-01").length
    for (let day = "2026-01-01"; day <= "2026-12-31"; day = daysAfter(day, 1)) {
      const contracts = contractsOn(day)
      assert.lengthOf(contracts, count, day)
      assert.strictEqual(new Set(contracts.map(({ symbol }) => symbol)).size, count, day)
      for (const { exchange, expiry, symbol } of contracts) {
        assert.isTrue(expiry >= day, `${symbol} on ${day}`)
        if (expiry > "2026-12-31") continue
        const index = dayOfYear(Date.parse(`${expiry}T12:00:00+05:30`))
        const venue = exchange === "MCX" ? "COMMODITIES" : "EQUITY_DERIVATIVES"
        assert.isTrue(isOpen(venue, index, 20 * 60) || isOpen(venue, index, 12 * 60), `${symbol} ${expiry}`)
      }
    }
  })

  it("have two lots of one underlying at once", () => {
    const lots = contractsOn("2026-11-30").flatMap(({ name, lot }) => (name === "HDFCBANK" ? [lot] : []))
    assert.deepStrictEqual(lots, [550, 550, 650])
  })
})
