import { BigDecimal, Effect, Layer, Option } from "effect"
import type { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration, zerodhaQuarantine } from "../../config/Configuration.ts"
import type { BrokerLookupError } from "../../domain/model/BrokerError.ts"
import type { Tag } from "../../domain/model/Ids.ts"
import type { Mask } from "../../domain/text/secrets.ts"
import { Broker, type Placement } from "../Broker.ts"
import { orderListSince } from "../orderListSince.ts"
import { askForQuotes } from "./askForQuotes.ts"
import { refusedCancel } from "./kiteAnswers.ts"
import { makeKiteCalls } from "./kiteCalls.ts"
import type { KiteClient } from "./KiteClient.ts"
import { brokerOrders, lacksPrice, makeRowReaders, readEntries, readOrderList } from "./kiteOrders.ts"
import type { KiteSession } from "./KiteSession.ts"
import { zerodha } from "./kiteTokens.ts"
import { noTrades, readTrades, type Trades } from "./kiteTrades.ts"
import { OrderFeed } from "./OrderFeed.ts"

/**
 * The broker Zerodha over Kite Connect 3: regular orders only, each found again by its tag in the day's whole order list.
 *
 * An order request is sent once, with a deadline that is checked right before sending (kiteCalls.ts). kiteAnswers.ts decides
 * what an answer means: an answer that is not understood is unknown, never a success or a refusal. A row of ours that cannot
 * be read is reported beside the others (kiteOrders.ts), because leaving it out would mean "not placed". The access token
 * comes from KiteSession, which closes the placement gate without a valid one. BrokerLayer builds it if BROKER_TYPE is zerodha.
 */
export const ZerodhaBroker: Layer.Layer<
  Broker,
  never,
  Configuration | DatabaseClock | KiteClient | KiteSession | OrderFeed
> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const config = yield* Configuration
    const feed = yield* OrderFeed
    const calls = yield* makeKiteCalls
    const { order, lookUp, read } = calls
    const readerOfNext = makeRowReaders()

    /** Reads the trades if prices are missing. A failure only delays prices and must not hide the orders. */
    const tradesIfNeeded = (isNeeded: boolean): Effect.Effect<Trades> =>
      isNeeded
        ? lookUp("/trades", tradesLimit).pipe(
            Effect.flatMap((answer) => read(answer, readTrades)),
            Effect.catch((error: BrokerLookupError) =>
              Effect.as(Effect.logWarning(`Trades could not be read, prices follow: ${error.message}`), noTrades)
            )
          )
        : Effect.succeed(noTrades)

    return Broker.of({
      name: zerodha,
      quarantine: Option.getOrElse(config.reconcileQuarantine, () => zerodhaQuarantine),
      orderListSince: orderListSince.zerodha,
      listsAll: true,
      place: (placement) =>
        order(
          { method: "POST", path: "/orders/regular", form: formOf(placement, config.zerodhaMarketProtection) },
          placement.deadline
        ),
      findByTag: Effect.fnUntraced(function* (tags: ReadonlySet<Tag>) {
        const answer = yield* lookUp("/orders", ordersLimit)
        const own = yield* read(answer, (body) => readOrderList(body, tags, readerOfNext()))
        const { orders, unreadable } = brokerOrders(own, yield* tradesIfNeeded(own.rows.some(lacksPrice)))
        return {
          orders: orders.map((order) => ({ ...order, statusText: answer.masked(order.statusText) })),
          unreadable: withProblems(unreadable, answer.masked)
        }
      }),
      listAll: Effect.flatMap(lookUp("/orders", ordersLimit), (answer) =>
        Effect.map(read(answer, readEntries), ({ entries, unreadable }) => ({
          entries,
          unreadable: withProblems(unreadable, answer.masked)
        }))
      ),
      cancel: (brokerOrderId) =>
        order({ method: "DELETE", path: `/orders/regular/${encodeURIComponent(brokerOrderId)}` }, null).pipe(
          Effect.asVoid,
          Effect.mapError(refusedCancel)
        ),
      quotes: askForQuotes(calls),
      changed: feed.changed
    })
  })
)

const withProblems = <A extends { readonly problem: string }>(rows: ReadonlyArray<A>, masked: Mask) =>
  rows.map((row) => ({ ...row, problem: masked(row.problem) }))

/** The list of the most orders that an account may send in a day has about six mebibytes. It is read row by row. */
const ordersLimit = { maxMebibytes: 16 }
/** An order may have many trades. */
const tradesLimit = { maxMebibytes: 64 }

/** Kite's form fields of a placement. Market protection is mandatory for MARKET orders. */
export const formOf = (placement: Placement, marketProtection: number): Readonly<Record<string, string>> => {
  const colon = placement.instrument.indexOf(":")
  return {
    exchange: placement.instrument.slice(0, colon),
    tradingsymbol: placement.instrument.slice(colon + 1),
    transaction_type: placement.side,
    quantity: `${placement.quantity}`,
    product: placement.productType,
    validity: placement.validity,
    order_type: placement.orderType,
    ...(placement.orderType === "MARKET" ? { market_protection: `${marketProtection}` } : {}),
    ...(placement.limitPrice === null ? {} : { price: BigDecimal.format(BigDecimal.normalize(placement.limitPrice)) }),
    tag: placement.tag,
    ...(placement.algoId === undefined || placement.algoId === null ? {} : { algo_id: placement.algoId })
  }
}
