import { Array as Arrays, BigDecimal, DateTime, Duration, Effect, Layer, Option, type Redacted, Result } from "effect"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration, zerodhaQuarantine } from "../../config/Configuration.ts"
import {
  type BrokerError,
  type BrokerLookupError,
  BrokerNotSent,
  BrokerTryLater
} from "../../domain/model/BrokerError.ts"
import type { Tag } from "../../domain/model/Ids.ts"
import type { Instrument } from "../../domain/model/Order.ts"
import { Broker, type Placement } from "../Broker.ts"
import { checkDeadline } from "../deadline.ts"
import { orderListSince } from "../orderListSince.ts"
import { lookupAnswer, lookupFailed, orderAnswer, orderUnanswered } from "./kiteAnswers.ts"
import { KiteClient, type KiteRequest } from "./KiteClient.ts"
import { brokerOrder, lacksPrice, readOrderList, readEntries, readTrades, type Trade } from "./kiteOrders.ts"
import { maxInstruments, quotePath, readQuotes } from "./kiteQuotes.ts"
import { KiteSession, zerodha } from "./KiteSession.ts"
import { OrderFeed } from "./OrderFeed.ts"

/** Zerodha, over Kite Connect: every order a regular one, found again by its tag in the whole book of the day. */
export const ZerodhaBroker: Layer.Layer<
  Broker,
  never,
  Configuration | DatabaseClock | KiteClient | KiteSession | OrderFeed
> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const config = yield* Configuration
    const client = yield* KiteClient
    const session = yield* KiteSession
    const feed = yield* OrderFeed
    const clock = yield* DatabaseClock

    /** Tells the session when the answer is that its token is not accepted. */
    const watched =
      (token: Redacted.Redacted) =>
      <A, E extends BrokerError>(call: Effect.Effect<A, E>) =>
        Effect.tapError(call, (error: BrokerError) =>
          error._tag === "BrokerCredentialsInvalid" && error.kind === "token"
            ? session.refused(token, error.message)
            : Effect.void
        )

    /** The wait for a turn may have been long, and this host may have slept in it: its clock is asked for first. */
    const mayStillLeave = Effect.fnUntraced(function* (deadline: DateTime.Utc) {
      yield* clock.settle.pipe(
        Effect.catch((error) =>
          Effect.flatMap(DateTime.now, (retryAt) => {
            const message = `Not sent: this host's clock jumped, and the database was not there to tell the time: ${error.message}`
            return Effect.fail(new BrokerNotSent({ code: "deadline", message, retryAt }))
          })
        )
      )
      yield* checkDeadline(deadline)
    })

    const order = Effect.fnUntraced(function* (
      request: Omit<KiteRequest, "accessToken">,
      deadline: DateTime.Utc | null
    ) {
      const token = yield* session.accessToken
      if (deadline !== null) yield* mayStillLeave(deadline)
      const answer = yield* Effect.result(client.send({ ...request, accessToken: Option.some(token) }))
      const now = yield* DateTime.now
      return yield* Effect.fromResult(
        Result.isSuccess(answer) ? orderAnswer(answer.success, now) : Result.fail(orderUnanswered(answer.failure, now))
      ).pipe(watched(token))
    })

    const lookUp = Effect.fnUntraced(function* (path: string) {
      const token = yield* session.accessToken
      const answer = yield* Effect.result(client.send({ method: "GET", path, accessToken: Option.some(token) }))
      const now = yield* DateTime.now
      if (Result.isFailure(answer)) return yield* lookupFailed("no_answer", answer.failure.message, now)
      return yield* Effect.fromResult(lookupAnswer(answer.success, now)).pipe(watched(token))
    })

    const read = <A>(body: string, reader: (body: string) => Result.Result<A, string>) =>
      Effect.flatMap(DateTime.now, (now) =>
        Effect.mapError(Effect.fromResult(reader(body)), (problem) => lookupFailed("unreadable", problem, now))
      )

    /** A price that is not known yet must not hide the orders that are. */
    const tradesIfNeeded = (isNeeded: boolean): Effect.Effect<ReadonlyArray<Trade>> =>
      isNeeded
        ? lookUp("/trades").pipe(
            Effect.flatMap((body) => read(body, readTrades)),
            Effect.catch((error: BrokerLookupError) =>
              Effect.as(Effect.logWarning(`Trades could not be read, prices follow: ${error.message}`), [])
            )
          )
        : Effect.succeed([])

    const quotesOf = (instruments: ReadonlyArray<Instrument>) =>
      lookUp(quotePath(instruments)).pipe(
        Effect.flatMap((body) => read(body, (body) => readQuotes(body, instruments))),
        Effect.catch((error: BrokerLookupError) => Effect.flatMap(DateTime.now, (now) => notPaidFor(error, now)))
      )

    return Broker.of({
      name: zerodha,
      quarantine: Option.getOrElse(config.reconcileQuarantine, () => zerodhaQuarantine),
      orderListSince: orderListSince.zerodha,
      place: (placement) =>
        order(
          { method: "POST", path: "/orders/regular", form: formOf(placement, config.zerodhaMarketProtection) },
          placement.deadline
        ),
      findByTag: Effect.fnUntraced(function* (tags: ReadonlySet<Tag>) {
        if (tags.size === 0) return []
        const rows = yield* read(yield* lookUp("/orders"), (body) => readOrderList(body, tags))
        const trades = yield* tradesIfNeeded(rows.some(lacksPrice))
        return rows.map((row) => brokerOrder(row, trades))
      }),
      listAll: Effect.flatMap(lookUp("/orders"), (body) => read(body, readEntries)),
      cancel: (brokerOrderId) =>
        Effect.asVoid(order({ method: "DELETE", path: `/orders/regular/${encodeURIComponent(brokerOrderId)}` }, null)),
      quotes: Effect.fnUntraced(function* (instruments: ReadonlySet<Instrument>) {
        const [first, ...more] = Arrays.chunksOf([...instruments], maxInstruments)
        if (first === undefined) return []
        const quotes = [yield* quotesOf(first)]
        for (const chunk of more) quotes.push(yield* Effect.delay(quotesOf(chunk), quotePause))
        return quotes.flat()
      }),
      changed: feed.changed
    })
  })
)

const quotePause = Duration.seconds(1)
/** An app may be paid for while we run. */
const permissionPause = Duration.hours(1)

/** Kite's refusal of quotes to a free app, in words that say what would help. */
const notPaidFor = (error: BrokerLookupError, now: DateTime.Utc): Effect.Effect<never, BrokerLookupError> =>
  Effect.fail(
    error._tag === "BrokerTryLater" && error.code === "PermissionException"
      ? new BrokerTryLater({
          code: error.code,
          message: `Zerodha gives quotes to paid apps only (${error.message})`,
          retryAt: DateTime.addDuration(now, permissionPause)
        })
      : error
  )

/** The parameters of a placement, as Kite wants them. Market protection is mandatory on MARKET orders. */
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
    tag: placement.tag
  }
}
