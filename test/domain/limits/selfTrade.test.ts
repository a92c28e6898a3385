import { assert, describe, it } from "@effect/vitest"
import { selfTrades, selfTradeText } from "../../../src/domain/limits/selfTrade.ts"
import { Instrument, type Side } from "../../../src/domain/model/Order.ts"

const order = (id: string, side: Side, instrument = "NSE:INFY") => ({
  id,
  side,
  instrument: Instrument.make(instrument)
})
const found = (...asked: Parameters<typeof selfTrades>) => Object.fromEntries(selfTrades(...asked))

describe("orders of both sides", () => {
  const [buy, sell, buyMore] = [order("a", "BUY"), order("b", "SELL"), order("c", "BUY")]

  it("are found among those of one batch, the later one of each pair, and among unfinished ones", () => {
    assert.deepStrictEqual(found([buy, sell, buyMore], new Map(), false), { b: ["a"], c: ["b"] })
    assert.deepStrictEqual(found([buy], new Map([["a", ["x"]]]), false), { a: ["x"] })
    assert.deepStrictEqual(found([buy, buyMore, order("d", "SELL", "NSE:TCS")], new Map(), false), {})
  })

  it("are not compared with one that is refused", () => {
    assert.deepStrictEqual(found([buy, sell, buyMore], new Map(), true), { b: ["a"] })
    assert.deepStrictEqual(found([sell, buy], new Map([["b", ["x"]]]), true), { b: ["x"] })
  })

  it("are named, the first few of them", () => {
    assert.strictEqual(
      selfTradeText(buy, ["x"]),
      "it would BUY NSE:INFY while x of the same account is unfinished and would SELL it (SELF_TRADE_POLICY)"
    )
    assert.strictEqual(
      selfTradeText(sell, ["w", "x", "y", "z"]),
      "it would SELL NSE:INFY while w, x, y and others of the same account are unfinished and would BUY it (SELF_TRADE_POLICY)"
    )
  })
})
