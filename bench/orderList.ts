import { BigDecimal, Duration, Effect, Layer } from "effect"
import { Broker } from "../src/broker/Broker.ts"
import { orderListSince } from "../src/broker/orderListSince.ts"
import { brokerOrders, makeRowReaders, readOrderList } from "../src/broker/zerodha/kiteOrders.ts"
import { noTrades } from "../src/broker/zerodha/kiteTrades.ts"
import { TradingHours } from "../src/config/TradingHours.ts"
import type { SettledSlice } from "../src/domain/lifecycle/settlement.ts"
import { BrokerOrderId, OrderId, SliceId, type Tag, tagOf } from "../src/domain/model/Ids.ts"
import { ClaimVersion } from "../src/domain/model/OrderSlice.ts"
import { Instance } from "../src/runtime/Instance.ts"
import { SettlementStore } from "../src/stores/account/SettlementStore.ts"
import { OrderStore } from "../src/stores/orders/OrderStore.ts"
import { RecoveryStore } from "../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../src/stores/slices/SliceStore.ts"
import { makeLookUp } from "../src/workers/monitor/lookUpOrders.ts"
import { makeSettleOrderList } from "../src/workers/monitor/settleOrderList.ts"
import { WorkerStatus } from "../src/workers/supervision/WorkerStatus.ts"
import { median } from "./harness/median.ts"

/*
 * What a look into the broker's order list costs the process: the body of Kite's answer is read, and each row is compared with its
 * slice. The list is that of a full day, 5,000 orders, and some of them change between two looks. The stores answer from memory.
 *   node bench/orderList.ts
 */
const [rows, changedRows, looks] = [5000, 50, 40]

const row = (n: number, filled: number) => ({
  placed_by: "AB1234",
  order_id: brokerOrderId(n),
  exchange_order_id: `110000000${n}`,
  parent_order_id: null,
  status: filled === 10 ? "COMPLETE" : "OPEN",
  status_message: null,
  status_message_raw: null,
  order_timestamp: "2026-11-30 10:00:00",
  exchange_update_timestamp: "2026-11-30 10:00:00",
  exchange_timestamp: "2026-11-30 10:00:00",
  variety: "regular",
  modified: false,
  exchange: "NSE",
  tradingsymbol: "INFY",
  instrument_token: 408065,
  order_type: "LIMIT",
  transaction_type: "BUY",
  validity: "DAY",
  validity_ttl: 0,
  product: "CNC",
  quantity: 10,
  disclosed_quantity: 0,
  price: 1500.05,
  trigger_price: 0,
  average_price: filled === 10 ? 1500.05 : 0,
  filled_quantity: filled,
  pending_quantity: 10 - filled,
  cancelled_quantity: 0,
  market_protection: 0,
  meta: {},
  tag: tags[n],
  tags: [tags[n]],
  guid: "98765432100"
})

const brokerOrderId = (n: number) => BrokerOrderId.make(`${2_042_130_686_722_629_633n + BigInt(n)}`)
const sliceId = (n: number) => SliceId.make(`bench_${n}`)
const tags: ReadonlyArray<Tag> = Array.from({ length: rows }, (_, n) => tagOf(sliceId(n)))

/** In look k, the rows before k × changedRows are filled. */
const isFilled = (n: number, look: number): boolean => n < look * changedRows

const bodyOf = (look: number): string =>
  JSON.stringify({ status: "success", data: tags.map((_, n) => row(n, isFilled(n, look) ? 10 : 0)) })

const slice = (n: number, look: number): SettledSlice => ({
  id: sliceId(n),
  orderId: OrderId.make("bench"),
  sequenceNumber: n,
  tag: tags[n] ?? tagOf(sliceId(n)),
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
  brokerOrderId: brokerOrderId(n),
  brokerStatus: isFilled(n, look) ? "COMPLETE" : "OPEN",
  brokerIsFinal: isFilled(n, look),
  filledQuantity: isFilled(n, look) ? 10 : 0,
  averagePrice: isFilled(n, look) ? BigDecimal.fromStringUnsafe("1500.05") : null,
  acknowledgedMillis: 0,
  isCancelAsked: false
})

let body = ""
let look = 0
let compared = 0
const numberOf = new Map<string, number>(tags.map((tag, n) => [tag, n]))

const services = Layer.mergeAll(
  Layer.effect(
    Broker,
    Effect.sync(() => {
      const readerOfNext = makeRowReaders()
      return Broker.of({
        name: "zerodha",
        quarantine: Duration.seconds(60),
        orderListSince: orderListSince.mock,
        listsAll: true,
        findByTag: (asked) =>
          Effect.map(Effect.orDie(readOrderList(body, asked, readerOfNext())), (own) => brokerOrders(own, noTrades)),
        place: () => Effect.die("the bench places nothing"),
        cancel: () => Effect.die("the bench cancels nothing"),
        listAll: Effect.die("the bench lists nothing"),
        quotes: () => Effect.die("the bench asks for no quotes"),
        changed: Effect.never
      })
    })
  ),
  Layer.mock(SettlementStore)({
    slices: (some) =>
      Effect.sync(() => {
        compared += some.length
        return some.map((tag) => slice(numberOf.get(tag) ?? 0, look))
      }),
    current: () => Effect.succeed([]),
    end: () => Effect.void,
    note: () => Effect.die("the bench found a difference")
  }),
  Layer.mock(SliceStore)({ audit: () => Effect.void }),
  Layer.mock(WorkerStatus)({ blocked: () => Effect.void }),
  Layer.mock(OrderStore)({}),
  Layer.mock(RecoveryStore)({}),
  Layer.succeed(TradingHours, TradingHours.fixed(null)),
  Instance.layer
)

const measure = Effect.gen(function* () {
  const lookUp = yield* makeLookUp
  const settle = yield* makeSettleOrderList
  const costs: Array<number> = []
  for (look = 0; look < looks; look += 1) {
    body = bodyOf(look)
    const before = process.cpuUsage()
    const orderList = yield* Effect.flatMap(lookUp(new Set()), Effect.fromOption)
    yield* settle([], [], orderList)
    const { user, system } = process.cpuUsage(before)
    costs.push((user + system) / 1000)
  }
  return costs
})

const costs = await Effect.runPromise(Effect.provide(measure, services))
const shown = (millis: number | undefined): string => `${(millis ?? Number.NaN).toFixed(0)} ms`
console.log(
  `${rows} rows of ${(body.length / rows).toFixed(0)} characters, ${changedRows} of them changed at each look: ` +
    `${shown(median(costs.slice(looks / 2)))} of CPU a look (median of the last ${looks / 2} looks), ` +
    `${shown(costs[0])} at the first; ${compared} slices were compared in ${looks} looks`
)
