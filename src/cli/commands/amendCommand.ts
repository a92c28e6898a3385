import { DateTime, Duration, Effect, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { makeDayBudget } from "../../broker/accountBudget.ts"
import { Configuration, planningRules } from "../../config/Configuration.ts"
import { breachOfAmendment } from "../../domain/limits/dayLimits.ts"
import { maxQuantity, Price } from "../../domain/model/Order.ts"
import { unknownInstrument } from "../../domain/planning/planOrder.ts"
import { type Amendment, amend } from "../../domain/planning/replan/amend.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import type { OrderProgress } from "../../stores/orders/OrderCommands.ts"
import { CannotReplan } from "../../stores/orders/readRunningOrder.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"
import { calendarNow } from "../shared/calendarNow.ts"
import { CommandFailed, CommandLayer, json, print, reason } from "../shared/environment.ts"
import { maxIdLength, textArgument, textFlag, wholeFlag } from "../shared/flags.ts"
import { getOrder } from "../shared/lookUp.ts"
import { as, askedFor } from "../shared/operator.ts"
import { timeText } from "../terminal/moments.ts"

export const amendCommand = Command.make(
  "amend",
  {
    orderId: textArgument("ID", maxIdLength).pipe(Argument.withDescription("The order's id")),
    remaining: wholeFlag("remaining").pipe(
      Flag.withDescription("How much is still to be sent from now on; what is missing by now is given up"),
      Flag.optional
    ),
    splits: wholeFlag("splits").pipe(Flag.withDescription("In how many slices"), Flag.optional),
    window: wholeFlag("window").pipe(Flag.withDescription("Over how many minutes from now on"), Flag.optional),
    limitPrice: textFlag("limit-price", maxIdLength).pipe(Flag.withDescription("At which limit"), Flag.optional),
    as,
    reason,
    json
  },
  Effect.fnUntraced(function* (given) {
    const asked = yield* askedFor(given)
    const amendment = readAmendment(given, asked)
    if (Result.isFailure(amendment)) {
      return yield* new CommandFailed({ message: `${amendment.failure}. Nothing was changed.` })
    }
    const order = yield* getOrder(given.orderId)
    const now = yield* DateTime.now
    const change = yield* changeOrder(order, amendment.success, asked, now)
    if (change === null) {
      return yield* print(given.json, { changed: false }, () => `Order ${given.orderId} is like that already`)
    }
    const { revision, slices, startsAt, endMillis } = change.plan
    const quantity = slices.reduce((sum, slice) => sum + slice.quantity, 0)
    const endsAt = DateTime.addDuration(startsAt ?? now, Duration.millis(endMillis))
    const { totalQuantity } = change
    yield* print(
      given.json,
      { changed: true, revision, remainingQuantity: quantity, numSlices: slices.length, endsAt, totalQuantity },
      () =>
        `Order ${given.orderId} has plan ${revision}: ${quantity} in ${slices.length} slices until ${timeText(endsAt)} (UTC), ` +
        `${totalQuantity} in all. What was sent or claimed before stays as it is.`
    )
  }, Effect.provide(CommandLayer))
).pipe(
  Command.withDescription(
    "Change what an order has not sent yet: how much, in how many slices, until when, at which limit"
  ),
  Command.withExamples([
    {
      command: 'order amend ID --remaining 500 --window 30 --reason "the client wants less"',
      description: "Send 500 more over the next half hour, instead of what was planned"
    }
  ])
)

/**
 * Amends an order under the lock of the day's totals. An amendment that breaks a day limit or budget is rolled back.
 */
export const changeOrder = Effect.fnUntraced(function* (
  order: OrderProgress,
  amendment: Amendment,
  asked: Asked,
  now: DateTime.Utc
) {
  const { orderId } = order
  const config = yield* Configuration
  const replans = yield* ReplanStore
  const days = yield* DayTotalStore
  const dayBudget = (yield* makeDayBudget)(orderId)
  const instrument = order.instrument ?? ""
  const rules = planningRules(config, yield* calendarNow)
  const market = (yield* (yield* InstrumentStore).markets([instrument])).get(instrument) ?? unknownInstrument
  const referencePrice = yield* days.referencePrice(orderId)
  return yield* days.exclusively(now, (totals) =>
    Effect.gen(function* () {
      const change = yield* replans.change(orderId, { now, windowGrace: config.orderWindowGrace, asked }, (running) =>
        Result.flatMap(amend(running, amendment, { rules, market, now }), (change) => {
          const orders = { before: running.order, after: change ?? running.order }
          const breach = breachOfAmendment(orders, referencePrice, totals, rules.preTrade)
          return breach === null ? Result.succeed(change) : Result.fail(breach)
        })
      )
      if (change === null || change.plan.slices.length <= order.scheduled) return change
      const reason = yield* dayBudget(change.plan, now)
      return reason === null ? change : yield* new CannotReplan({ orderId, reason, isCancelled: false })
    })
  )
})

interface Given {
  readonly remaining: Option.Option<number>
  readonly splits: Option.Option<number>
  readonly window: Option.Option<number>
  readonly limitPrice: Option.Option<string>
}

const readAmendment = (given: Given, asked: Asked): Result.Result<Amendment, string> =>
  Result.gen(function* () {
    const { remaining, splits, window, limitPrice } = given
    const isEmpty =
      Option.isNone(remaining) && Option.isNone(splits) && Option.isNone(window) && Option.isNone(limitPrice)
    if (isEmpty) {
      return yield* Result.fail("Say what is to change: --remaining, --splits, --window or --limit-price")
    }
    if (Option.exists(remaining, (quantity) => quantity < 1)) {
      return yield* Result.fail('--remaining must be at least 1; "order cancel" sends nothing more')
    }
    if (Option.exists(remaining, (quantity) => quantity > maxQuantity)) {
      return yield* Result.fail(`--remaining must be at most ${maxQuantity}`)
    }
    if (Option.exists(splits, (count) => count < 1 || count > 1000)) {
      return yield* Result.fail("--splits must be from 1 to 1000")
    }
    if (Option.exists(window, (minutes) => minutes < 0 || minutes > 1440)) {
      return yield* Result.fail("--window must be from 0 to 1440 minutes")
    }
    const price = Option.isNone(limitPrice)
      ? null
      : yield* Result.mapError(readPrice(limitPrice.value), ({ message }) => `--limit-price ${message}`)
    return {
      remainingQuantity: Option.getOrNull(remaining),
      numSlices: Option.getOrNull(splits),
      remainingWindow: Option.getOrNull(Option.map(window, Duration.minutes)),
      limitPrice: price,
      note: `${asked.by}: ${asked.reason}`
    }
  })

const readPrice = Schema.decodeUnknownResult(Price)
