import { assert, describe, it } from "@effect/vitest"
import { BigDecimal } from "effect"
import { reconcileDay } from "../../../src/domain/lifecycle/reconcileDay.ts"
import type { SettledSlice } from "../../../src/domain/lifecycle/settlement.ts"
import type { BrokerOrder, UnreadableOrder } from "../../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../../src/domain/model/Ids.ts"
import { ClaimVersion } from "../../../src/domain/model/OrderSlice.ts"

const slice = (name: string, changed: Partial<SettledSlice> = {}): SettledSlice => ({
  id: SliceId.make(name),
  orderId: OrderId.make("o"),
  sequenceNumber: 1,
  tag: Tag.make(name),
  requestId: null,
  traceId: null,
  validity: "DAY",
  productType: "CNC",
  market: null,
  acknowledgedMillis: 0,
  isCancelAsked: false,
  stage: "PROCESSED",
  claimVersion: ClaimVersion.make(1),
  replacedBy: null,
  carriedQuantity: 0,
  quantity: 10,
  brokerOrderId: BrokerOrderId.make(`b${name}`),
  brokerStatus: "COMPLETE",
  brokerIsFinal: true,
  filledQuantity: 10,
  averagePrice: BigDecimal.fromStringUnsafe("10.5000"),
  ...changed
})

const isOpen = { brokerStatus: "OPEN", brokerIsFinal: false }

const order = (name: string, changed: Partial<BrokerOrder> = {}): BrokerOrder => ({
  brokerOrderId: BrokerOrderId.make(`b${name}`),
  tag: Tag.make(name),
  status: "COMPLETE",
  statusText: "COMPLETE",
  quantity: null,
  filledQuantity: 10,
  averagePrice: BigDecimal.fromStringUnsafe("10.5"),
  ...changed
})

const reconciled = (
  slices: ReadonlyArray<SettledSlice>,
  orders: ReadonlyArray<BrokerOrder>,
  unreadable: ReadonlyArray<UnreadableOrder> = []
) =>
  reconcileDay(
    slices,
    { orders, unreadable },
    {
      entries: orders.map(({ brokerOrderId, tag }) => ({ brokerOrderId, tags: ["mktp", tag] })),
      unreadable: []
    }
  )
const differences = (...given: Parameters<typeof reconciled>) =>
  reconciled(...given).differences.map(({ text, repair }) => [text, repair?.brokerOrderId ?? null])

const oddRow = (name: string, brokerOrderId: string | null): UnreadableOrder => ({
  tag: Tag.make(name),
  brokerOrderId: brokerOrderId === null ? null : BrokerOrderId.make(brokerOrderId),
  isCertain: true,
  problem: "it is odd"
})

const nothing = { brokerOrderId: null, brokerStatus: null, filledQuantity: 0, averagePrice: null } as const

describe("reconcileDay", () => {
  it("agrees when the order list says the same, and when nothing was placed and nothing is listed", () => {
    const result = reconciled(
      [
        slice("A"),
        slice("B", { ...nothing, stage: "FAILED" }),
        slice("C", { ...nothing, stage: "SKIPPED" }),
        slice("D", { brokerStatus: "OPEN", filledQuantity: 0, averagePrice: null })
      ],
      [order("A"), order("D", { status: "OPEN", filledQuantity: 0, averagePrice: null })]
    )
    assert.deepStrictEqual(result, { agreed: 4, open: 1, differences: [], foreign: [], unreadable: [] })
  })

  it("reports a double placement, and leaves it to a person", () => {
    const twice = [order("A"), order("A", { brokerOrderId: BrokerOrderId.make("b2") })]
    assert.deepStrictEqual(differences([slice("A")], twice), [["PLACED 2 TIMES: bA, b2", null]])
  })

  it("finds a placed order whose slice says otherwise, and can repair it", () => {
    for (const stage of ["IN_PROGRESS", "SCHEDULED", "FAILED", "SKIPPED"] as const) {
      assert.deepStrictEqual(differences([slice("A", { ...nothing, stage })], [order("A")]), [
        [`${stage} here, but the broker has it as bA`, "bA"]
      ])
    }
  })

  it("leaves a slice to a person that was carried but that the broker has after all", () => {
    for (const stage of ["FAILED", "SKIPPED"] as const) {
      const carried = slice("A", { ...nothing, stage, carriedQuantity: 4 })
      assert.deepStrictEqual(differences([carried], [order("A")]), [
        [`${stage} here, and later slices took over 4 of it, but the broker has it as bA`, null]
      ])
    }
  })

  it("leaves a slice to a person that was filled beyond what later slices left of it", () => {
    const carried = slice("A", { brokerStatus: "CANCELLED", filledQuantity: 6, carriedQuantity: 4 })
    assert.deepStrictEqual(differences([carried], [order("A", { status: "CANCELLED", filledQuantity: 6 })]), [])
    assert.deepStrictEqual(differences([carried], [order("A")]), [
      [
        "CANCELLED, 6 filled at 10.5 here, COMPLETE, 10 filled at 10.5 in the order list; later slices took over 4 of it",
        null
      ]
    ])
    const dearer = order("A", {
      status: "CANCELLED",
      filledQuantity: 6,
      averagePrice: BigDecimal.fromStringUnsafe("11")
    })
    assert.deepStrictEqual(
      differences([carried], [dearer]).map(([, repair]) => repair),
      ["bA"]
    )
  })

  it("finds slices that are not in the order list, in doubt, or there under another id", () => {
    assert.deepStrictEqual(differences([slice("A")], []), [["bA is not in the order list", null]])
    assert.deepStrictEqual(differences([slice("A", { ...nothing, stage: "IN_PROGRESS" })], []), [
      ["still in doubt, and not in the order list", null]
    ])
    assert.deepStrictEqual(differences([slice("A")], [order("A", { brokerOrderId: BrokerOrderId.make("x") })]), [
      ["bA here, x in the order list", null]
    ])
  })

  it("finds another status, quantity or price, and can repair it", () => {
    assert.deepStrictEqual(differences([slice("A", { ...isOpen, filledQuantity: 4 })], [order("A")]), [
      ["OPEN, 4 filled at 10.5 here, COMPLETE, 10 filled at 10.5 in the order list", "bA"]
    ])
    const dearer = order("A", { averagePrice: BigDecimal.fromStringUnsafe("10.55") })
    assert.deepStrictEqual(differences([slice("A")], [dearer]), [
      ["COMPLETE, 10 filled at 10.5 here, COMPLETE, 10 filled at 10.55 in the order list", "bA"]
    ])
    const finer = order("A", { averagePrice: BigDecimal.fromStringUnsafe("10.50001") })
    assert.deepStrictEqual(differences([slice("A")], [finer]), [])
  })

  it("lists orders that this service did not place", () => {
    const foreign = { brokerOrderId: BrokerOrderId.make("f"), tags: ["THEIRS"] }
    const untagged = { brokerOrderId: BrokerOrderId.make("g"), tags: [] }
    const ours = { brokerOrderId: BrokerOrderId.make("bA"), tags: ["mktp", "A"] }
    const odd = { place: 3, tags: [], problem: "order_id is missing" }
    const result = reconcileDay(
      [slice("A")],
      { orders: [order("A")], unreadable: [] },
      { entries: [foreign, ours, untagged], unreadable: [odd] }
    )
    assert.deepStrictEqual([result.agreed, result.foreign, result.unreadable], [1, [foreign, untagged], [odd]])
  })

  it("reports a row that cannot be read for its own slice, and repairs nothing from it", () => {
    const slices = [slice("A"), slice("B")]
    assert.deepStrictEqual(differences(slices, [order("B")], [oddRow("A", "bA")]), [
      ["the order list has a row of it for bA that cannot be read: it is odd", null]
    ])
    assert.deepStrictEqual(differences(slices, [order("A"), order("B")], [oddRow("A", null)]), [
      ["the order list has a row of it that cannot be read: it is odd", null]
    ])
    assert.deepStrictEqual(differences(slices, [order("A"), order("B")], [oddRow("A", "bA")]), [])
    assert.deepStrictEqual(differences(slices, [order("A"), order("B")], [oddRow("A", "b2")]), [
      ["PLACED 2 TIMES: bA, b2", null]
    ])
  })
})
