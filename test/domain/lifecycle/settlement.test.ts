import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime } from "effect"
import {
  type DifferenceKind,
  isOnCourse,
  differencesOf,
  type SettledSlice
} from "../../../src/domain/lifecycle/settlement.ts"
import { asBelieved, type BrokerOrder, type UnreadableOrder } from "../../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../../src/domain/model/Ids.ts"
import { ClaimVersion, SliceKey } from "../../../src/domain/model/OrderSlice.ts"

const tag = Tag.make("PBA")
const price = BigDecimal.fromStringUnsafe("10.5")

/** An open slice of ten, of which nothing is filled. */
const slice = (changed: Partial<SettledSlice> = {}): SettledSlice => ({
  id: SliceId.make("s1"),
  orderId: OrderId.make("o1"),
  sequenceNumber: 1,
  tag,
  requestId: null,
  traceId: null,
  stage: "PROCESSED",
  claimVersion: ClaimVersion.make(1),
  replacedBy: null,
  carriedQuantity: 0,
  quantity: 10,
  validity: "DAY",
  productType: "CNC",
  market: null,
  brokerOrderId: BrokerOrderId.make("b1"),
  brokerStatus: "OPEN",
  brokerIsFinal: false,
  filledQuantity: 0,
  averagePrice: null,
  acknowledgedMillis: 1000,
  isCancelAsked: false,
  ...changed
})

const final = (status: string, filledQuantity: number, changed: Partial<SettledSlice> = {}) =>
  slice({
    brokerStatus: status,
    brokerIsFinal: true,
    filledQuantity,
    averagePrice: filledQuantity === 0 ? null : price,
    ...changed
  })

const unsent = (stage: SettledSlice["stage"], changed: Partial<SettledSlice> = {}) =>
  slice({ stage, brokerOrderId: null, brokerStatus: null, acknowledgedMillis: null, ...changed })

/** A row of the order list: `COMPLETE 10`, of ten unless `quantity` says otherwise. */
const row = (said: string, changed: Partial<BrokerOrder> = {}): BrokerOrder => {
  const [status = "", filled = "0"] = said.split(" ")
  return asBelieved({
    brokerOrderId: BrokerOrderId.make("b1"),
    tag,
    status: status as BrokerOrder["status"],
    statusText: status,
    quantity: 10,
    filledQuantity: Number(filled),
    averagePrice: filled === "0" ? null : price,
    ...changed
  })
}

const other = { brokerOrderId: BrokerOrderId.make("b2") }
const odd: UnreadableOrder = { tag, brokerOrderId: null, isCertain: true, problem: "its status is 17" }

const judged = (
  of: SettledSlice,
  orders: ReadonlyArray<BrokerOrder>,
  rows: {
    readonly unreadable?: ReadonlyArray<UnreadableOrder>
    readonly completeUntilMillis?: number
    readonly mayEndByItself?: boolean
  } = {}
) => differencesOf(of, { orders, unreadable: [], completeUntilMillis: 2000, mayEndByItself: false, ...rows })

interface Case {
  readonly name: string
  readonly slice: SettledSlice
  readonly orders: ReadonlyArray<BrokerOrder>
  readonly rows?: Parameters<typeof judged>[2]
  /** Null: they agree. */
  readonly kind: DifferenceKind | null
  /** The state that a repair would write. */
  readonly repair?: string
}

const cases: ReadonlyArray<Case> = [
  { name: "an open order as it is known", slice: slice(), orders: [row("OPEN")], kind: null },
  {
    name: "the progress of an open order",
    slice: slice(),
    orders: [row("COMPLETE 10")],
    kind: "state",
    repair: "COMPLETE 10"
  },
  { name: "a final order as it is known", slice: final("COMPLETE", 10), orders: [row("COMPLETE 10")], kind: null },
  { name: "two orders", slice: slice(), orders: [row("OPEN"), row("OPEN", other)], kind: "double_placement" },
  {
    name: "a refused order beside the good one",
    slice: slice(),
    orders: [row("REJECTED", other), row("OPEN")],
    kind: null
  },
  {
    name: "a refused order of a slice that the broker refused",
    slice: unsent("FAILED"),
    orders: [row("REJECTED")],
    kind: null
  },
  {
    name: "a refused order of a slice in doubt",
    slice: unsent("IN_PROGRESS"),
    orders: [row("REJECTED")],
    kind: "not_recorded",
    repair: "REJECTED 0"
  },
  {
    name: "a refused order with a fill beside another",
    slice: slice(),
    orders: [row("REJECTED 3", other), row("OPEN")],
    kind: "double_placement"
  },
  {
    name: "an order of a slice that is still to be sent",
    slice: unsent("SCHEDULED"),
    orders: [row("OPEN")],
    kind: "not_recorded",
    repair: "OPEN 0"
  },
  {
    name: "an order of a slice that was given up",
    slice: unsent("SKIPPED"),
    orders: [row("COMPLETE 10")],
    kind: "not_recorded",
    repair: "COMPLETE 10"
  },
  {
    name: "an order of a slice that others replace",
    slice: unsent("SKIPPED", { replacedBy: 2 }),
    orders: [row("OPEN")],
    kind: "filled_after_carry"
  },
  {
    name: "an order of a slice that was carried on",
    slice: unsent("FAILED", { carriedQuantity: 10 }),
    orders: [row("OPEN")],
    kind: "filled_after_carry"
  },
  {
    name: "a fill after the carry",
    slice: final("CANCELLED", 0, { carriedQuantity: 10 }),
    orders: [row("COMPLETE 10")],
    kind: "filled_after_carry"
  },
  {
    name: "no further fill after the carry",
    slice: final("CANCELLED", 4, { carriedQuantity: 6 }),
    orders: [row("CANCELLED 4")],
    kind: null
  },
  {
    name: "more filled than the slice has",
    slice: slice(),
    orders: [row("COMPLETE 25", { quantity: 25 })],
    kind: "overfilled",
    repair: "COMPLETE 25"
  },
  {
    name: "more filled than the slice and than the row has",
    slice: slice(),
    orders: [row("COMPLETE 13")],
    kind: "overfilled",
    repair: "UNRECOGNISED 13"
  },
  {
    name: "a raised quantity",
    slice: slice(),
    orders: [row("OPEN", { quantity: 25 })],
    kind: "quantity_changed",
    repair: "OPEN 0"
  },
  {
    name: "a lowered quantity that is filled",
    slice: slice(),
    orders: [row("COMPLETE 6", { quantity: 6 })],
    kind: "quantity_changed",
    repair: "COMPLETE 6"
  },
  {
    name: "an order that does not tell its quantity",
    slice: slice(),
    orders: [row("OPEN", { quantity: null })],
    kind: null
  },
  { name: "another order than the known one", slice: slice(), orders: [row("OPEN", other)], kind: "other_order" },
  {
    name: "a cancel that is not ours",
    slice: slice(),
    orders: [row("CANCELLED 4")],
    kind: "cancelled_at_broker",
    repair: "CANCELLED 4"
  },
  {
    name: "a cancel of a slice in doubt that is not ours",
    slice: unsent("IN_PROGRESS"),
    orders: [row("CANCELLED")],
    kind: "cancelled_at_broker",
    repair: "CANCELLED 0"
  },
  {
    name: "a cancel that is ours",
    slice: slice({ isCancelAsked: true }),
    orders: [row("CANCELLED 4")],
    kind: "state",
    repair: "CANCELLED 4"
  },
  {
    name: "the rest of an IOC order",
    slice: slice({ validity: "IOC" }),
    orders: [row("CANCELLED 4")],
    kind: "state",
    repair: "CANCELLED 4"
  },
  {
    name: "what the exchange cancels after hours",
    slice: slice(),
    orders: [row("CANCELLED 4")],
    rows: { mayEndByItself: true },
    kind: "state",
    repair: "CANCELLED 4"
  },
  {
    name: "what the exchange ends with its session",
    slice: slice(),
    orders: [row("CANCELLED 4", { isExpired: true })],
    kind: "state",
    repair: "CANCELLED 4"
  },
  { name: "an acknowledged order that is not listed", slice: slice(), orders: [], kind: "absent" },
  {
    name: "the same before the list must have it",
    slice: slice(),
    orders: [],
    rows: { completeUntilMillis: 999 },
    kind: null
  },
  { name: "a slice that is still to be sent and is not listed", slice: unsent("SCHEDULED"), orders: [], kind: null },
  { name: "a slice in doubt that is not listed", slice: unsent("IN_PROGRESS"), orders: [], kind: "in_doubt" },
  {
    name: "a cancelled order that is complete",
    slice: final("CANCELLED", 0),
    orders: [row("COMPLETE 10")],
    kind: "final_changed",
    repair: "COMPLETE 10"
  },
  {
    name: "a final order with more filled",
    slice: final("CANCELLED", 4),
    orders: [row("CANCELLED 6")],
    kind: "final_changed",
    repair: "CANCELLED 6"
  },
  {
    name: "a final order that is open again and fills",
    slice: final("CANCELLED", 4),
    orders: [row("PARTIALLY_FILLED 6")],
    kind: "final_changed",
    repair: "PARTIALLY_FILLED 6"
  },
  {
    name: "an older row of a final order",
    slice: final("COMPLETE", 10),
    orders: [row("PARTIALLY_FILLED 4")],
    kind: "behind",
    repair: "PARTIALLY_FILLED 4"
  },
  {
    name: "another price of a final order",
    slice: final("COMPLETE", 10),
    orders: [row("COMPLETE 10", { averagePrice: BigDecimal.fromStringUnsafe("11") })],
    kind: "state",
    repair: "COMPLETE 10"
  },
  { name: "a complete row with nothing filled", slice: slice(), orders: [row("COMPLETE 0")], kind: "contradictory" },
  {
    name: "a row with more filled than its own quantity, and not more than the slice's",
    slice: slice(),
    orders: [row("CANCELLED 9", { quantity: 8 })],
    kind: "contradictory"
  },
  {
    name: "a contradictory row of a slice that a person has ended",
    slice: final("CANCELLED", 0),
    orders: [row("COMPLETE 0")],
    kind: null
  },
  {
    name: "the end without a price",
    slice: slice({ isCancelAsked: true }),
    orders: [row("CANCELLED 6", { averagePrice: null })],
    kind: "price_unknown",
    repair: "CANCELLED 6"
  },
  {
    name: "a final order without a price",
    slice: final("CANCELLED", 6, { averagePrice: null }),
    orders: [row("CANCELLED 6", { averagePrice: null })],
    kind: "price_unknown"
  },
  {
    name: "a price that comes later",
    slice: final("CANCELLED", 6, { averagePrice: null }),
    orders: [row("CANCELLED 6")],
    kind: "state",
    repair: "CANCELLED 6"
  },
  { name: "a row that cannot be read", slice: slice(), orders: [], rows: { unreadable: [odd] }, kind: "unreadable" }
]

describe("the settlement of a slice", () => {
  for (const { kind, name, orders, repair = null, rows, slice: of } of cases) {
    it(`${kind === null ? "agrees with" : `calls ${kind}`}: ${name}`, () => {
      const [difference] = judged(of, orders, rows)
      const repaired = difference?.repair ?? null
      assert.deepStrictEqual(
        [difference?.kind ?? null, repaired === null ? null : `${repaired.status} ${repaired.filledQuantity}`],
        [kind, repair]
      )
    })
  }

  it("finds nothing in an open slice that is on its course, and needs no more of it to know that", () => {
    for (const { kind, orders, rows, slice: of } of cases) {
      if (of.stage !== "PROCESSED" || of.brokerIsFinal) continue
      const open = {
        ...of,
        key: SliceKey.make(1),
        brokerOrderId: BrokerOrderId.make("b1"),
        isCancelWanted: false,
        acknowledgedAt: DateTime.makeUnsafe(0)
      }
      const isPlain = isOnCourse(open, { orders, unreadable: rows?.unreadable ?? [] })
      if (isPlain) assert.include([null, "state"], kind)
    }
  })
})
