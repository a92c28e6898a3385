import { assert, describe, it } from "@effect/vitest"
import { defaultProduct, type ProductOrder, productProblems } from "../../../src/domain/market/productRules.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"

const problemsOf = (instrument: string, changed: Partial<ProductOrder> = {}) =>
  productProblems({
    instrument: Instrument.make(instrument),
    orderType: "MARKET",
    productType: defaultProduct(instrument),
    validity: "DAY",
    completion: "REPORT",
    spansDays: false,
    details: null,
    ...changed
  })

const option = (name: string) => ({ instrumentType: "CE", name })

describe("productProblems", () => {
  it("takes what each segment takes, and the default product of each", () => {
    for (const share of ["NSE:INFY", "BSE:INFY"]) {
      assert.deepStrictEqual(problemsOf(share), [])
      assert.deepStrictEqual(problemsOf(share, { productType: "MIS", validity: "IOC" }), [])
      assert.deepStrictEqual(problemsOf(share, { productType: "MTF", spansDays: true }), [])
      assert.strictEqual(defaultProduct(share), "CNC")
    }
    for (const contract of ["NFO:NIFTY26DECFUT", "BFO:SENSEX26DECFUT", "CDS:USDINR26DECFUT", "BCD:USDINR26DECFUT"]) {
      assert.deepStrictEqual(problemsOf(contract, { spansDays: true }), [])
      assert.deepStrictEqual(problemsOf(contract, { productType: "MIS", validity: "IOC" }), [])
      assert.strictEqual(defaultProduct(contract), "NRML")
    }
    assert.deepStrictEqual(problemsOf("MCX:GOLD26DECFUT", { spansDays: true }), [])
    assert.deepStrictEqual(problemsOf("ICE:BRENT", { productType: "NRML", validity: "IOC" }), [])
  })

  for (const [what, instrument, changed, problem] of [
    [
      "NRML for shares",
      "NSE:INFY",
      { productType: "NRML" },
      "product_type: NRML is not for NSE; CNC (delivery) or MIS (within the day) or MTF (delivery on margin) would do"
    ],
    [
      "CNC for contracts",
      "NFO:NIFTY26DECFUT",
      { productType: "CNC" },
      "product_type: CNC is not for NFO; NRML (over night) or MIS (within the day) would do"
    ],
    [
      "MTF for contracts",
      "MCX:GOLD26DECFUT",
      { productType: "MTF" },
      "product_type: MTF is not for MCX; NRML (over night) or MIS (within the day) would do"
    ],
    [
      "MTF of a share that is settled trade by trade",
      "NSE:CENTRALBK-BE",
      { productType: "MTF" },
      "product_type: NSE:CENTRALBK-BE is settled trade by trade, without MTF; CNC (delivery) would do"
    ],
    [
      "MIS over two days",
      "NSE:INFY",
      { productType: "MIS", spansDays: true },
      "product_type: MIS positions are squared off by the broker each day, and the window reaches into another day; CNC (delivery) would do"
    ],
    [
      "MIS of a share that is settled trade by trade",
      "NSE:CENTRALBK-BE",
      { productType: "MIS" },
      "product_type: NSE:CENTRALBK-BE is settled trade by trade, without MIS; CNC (delivery) would do"
    ],
    [
      "IOC on MCX",
      "MCX:GOLD26DECFUT",
      { validity: "IOC" },
      "validity: IOC is not known to be taken on MCX; DAY with cancel_unfilled_after_seconds would do"
    ],
    [
      "MARKET for an option of a stock",
      "NFO:INFY26DEC1500CE",
      { details: option("INFY") },
      "order_type: MARKET is not taken for options of stocks; LIMIT would do"
    ],
    [
      "a completion by MARKET for an option of a stock",
      "NFO:INFY26DEC1500CE",
      { details: option("INFY"), orderType: "LIMIT", completion: "CROSS" },
      "completion: CROSS sends a MARKET order, which is not taken for options of stocks; REPORT would do"
    ]
  ] as const) {
    it(`refuses ${what}, and says what would do`, () => {
      assert.deepStrictEqual(problemsOf(instrument, changed), [problem])
    })
  }

  it("takes MARKET for an option of an index, and for a share with a hyphen", () => {
    assert.deepStrictEqual(problemsOf("NFO:NIFTY26DEC24000CE", { details: option("NIFTY") }), [])
    assert.deepStrictEqual(problemsOf("NSE:BAJAJ-AUTO", { productType: "MIS" }), [])
  })

  it("names all problems at once", () => {
    assert.strictEqual(problemsOf("MCX:GOLD26DECFUT", { productType: "CNC", validity: "IOC" }).length, 2)
  })
})
