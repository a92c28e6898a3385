import { DateTime, Effect, Option, Random, Result, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { makeDayBudget } from "../../broker/accountBudget.ts"
import { Configuration, planningRules } from "../../config/Configuration.ts"
import { breachesOfDay, limitsTheDay, valueOf } from "../../domain/limits/dayLimits.ts"
import { freezeOf } from "../../domain/limits/freezeLimits.ts"
import { knownPrice } from "../../domain/limits/marketLimits.ts"
import { selfTradeText } from "../../domain/limits/selfTrade.ts"
import { waitingForCalendar } from "../../domain/market/orderTime.ts"
import type { SplittableOrder } from "../../domain/model/Order.ts"
import { because } from "../../domain/model/reason.ts"
import { freezeFactsOf } from "../../domain/planning/freezeFacts.ts"
import { planOrder, unknownInstrument } from "../../domain/planning/planOrder.ts"
import { algorithmVersion } from "../../domain/planning/schedule/Schedule.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { OpposingOrderStore } from "../../stores/orders/OpposingOrderStore.ts"
import { calendarNow } from "../shared/calendarNow.ts"
import { CommandFailed, CommandLayer, json, print, warn } from "../shared/environment.ts"
import { maxIdLength, textFlag } from "../shared/flags.ts"
import { orderFlags, orderOf } from "../shared/orderFlags.ts"
import { shownFreeze } from "../terminal/renderFreeze.ts"
import { planText, type ShownPlan } from "../terminal/renderPlan.ts"

/** The plan that an order would get if it were split at `start`, or every reason why it would get none. */
export const planAt = Effect.fnUntraced(function* (order: SplittableOrder, start: DateTime.Utc) {
  const calendar = yield* calendarNow
  const rules = planningRules(yield* Configuration, calendar)
  const markets = yield* (yield* InstrumentStore).markets([order.instrument])
  const market = markets.get(order.instrument) ?? unknownInstrument
  const facts = freezeFactsOf(market)
  const freeze = rules.isFreezeLimited
    ? shownFreeze(freezeOf(order.instrument, facts, start), facts.details?.lotSize ?? 1)
    : null
  const plan = Result.map(planOrder(order, rules, market, start), (plan) => ({ ...plan, freeze }))
  if (Result.isFailure(plan)) return plan
  const full = yield* (yield* makeDayBudget)()(plan.success, start)
  if (full !== null) return Result.fail(because("broker_rate", full))
  const against = yield* selfTradeOf(order, start)
  if (Result.isFailure(against)) return against
  const limits = rules.preTrade
  if (!limitsTheDay(limits)) return plan
  const value = valueOf(order, knownPrice(market, start, limits))
  const breaches = breachesOfDay(value, yield* (yield* DayTotalStore).totals(start), limits)
  return breaches.length === 0 ? plan : Result.fail(because("day_limit", breaches.join("; ")))
})

/** Warns of unfinished orders of the account that the order would trade against, or fails, as SELF_TRADE_POLICY says. */
const selfTradeOf = Effect.fnUntraced(function* (order: SplittableOrder, now: DateTime.Utc) {
  const { selfTradePolicy } = yield* Configuration
  if (selfTradePolicy === "allow") return Result.succeed(null)
  const against = (yield* (yield* OpposingOrderStore).opposing([order], now)).get(order.id)
  if (against === undefined) return Result.succeed(null)
  const text = selfTradeText(order, against)
  if (selfTradePolicy === "refuse") return Result.fail(because("self_trade", text))
  yield* warn(`Warning: ${text}`)
  return Result.succeed(null)
})

export const planCommand = Command.make(
  "plan",
  {
    ...orderFlags,
    start: textFlag("start", maxIdLength).pipe(
      Flag.withDescription("When the window begins, such as 2026-11-24T09:15:00+05:30 (now)"),
      Flag.optional
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const start = Option.isNone(given.start) ? yield* DateTime.now : yield* startOf(given.start.value)
    const seed = Option.isSome(given.seed) ? given.seed.value : yield* randomSeed
    const order = orderOf({ ...given, seed: Option.some(seed) }, "plan")
    if (Result.isFailure(order))
      return yield* new CommandFailed({ message: `The order is not valid. ${order.failure}` })
    const plan = yield* planAt(order.success, start)
    if (Result.isFailure(plan)) {
      const { code, text } = plan.failure
      return yield* new CommandFailed({
        message:
          code === "calendar_ends"
            ? `No plan is possible yet. An order like this is accepted; ${waitingForCalendar(plan.failure).text}`
            : `No plan is possible. ${text}`
      })
    }
    const { input, slices, startsAt, endMillis, sessions, freeze } = plan.success
    const startMillis = DateTime.toEpochMillis(startsAt ?? start)
    const shown: ShownPlan = {
      instrument: order.success.instrument,
      side: order.success.side,
      seed: input.seed,
      algorithmVersion,
      strategy: order.success.strategy,
      startsAt: DateTime.makeUnsafe(startMillis),
      endsAt: DateTime.makeUnsafe(startMillis + endMillis),
      sessions:
        sessions?.map(({ opensMillis, closesMillis }) => ({
          opensAt: DateTime.makeUnsafe(opensMillis),
          closesAt: DateTime.makeUnsafe(closesMillis)
        })) ?? null,
      totalQuantity: input.totalQuantity,
      freeze,
      slices: slices.map(({ sequenceNumber, quantity, dueMillis }) => ({
        sequenceNumber,
        quantity,
        dueAt: DateTime.makeUnsafe(startMillis + dueMillis)
      }))
    }
    yield* print(given.json, shown, planText)
  }, Effect.provide(CommandLayer))
).pipe(
  Command.withDescription("Show the exact plan that an order would get, and write nothing"),
  Command.withExamples([
    {
      command: "plan --instrument NSE:RELIANCE --side BUY --quantity 1000 --splits 10 --duration 60 --strategy vwap",
      description: "Ten slices over an hour, along the day's usual volume"
    }
  ])
)

const TimeWithZone = Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/)).pipe(
  Schema.decodeTo(Schema.DateTimeUtcFromString)
)

const startOf = (text: string) =>
  Schema.decodeUnknownEffect(TimeWithZone)(text).pipe(
    Effect.mapError(
      () =>
        new CommandFailed({
          message: `--start must be a time with its zone, such as 2026-11-24T09:15:00+05:30, not ${JSON.stringify(text)}`
        })
    )
  )

const randomSeed = Effect.map(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (number) => number.toString(36))
