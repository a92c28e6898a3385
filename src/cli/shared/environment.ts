import { BigDecimal, Console, DateTime, type Effect, Layer, References, Schema } from "effect"
import { Flag } from "effect/cli"
import { hostname, userInfo } from "node:os"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { CommandDb } from "../../db/DbLayer.ts"
import { decimalText } from "../../domain/text/decimals.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { OrderBudget } from "../../stores/account/OrderBudget.ts"
import { HaltStore } from "../../stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { PlanStore } from "../../stores/orders/PlanStore.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"

/** What every command but the daemon runs on: the stores, and the database's clock. Commands do not log. */
export const CommandLayer = Layer.mergeAll(
  OrderCommands.layer,
  HaltStore.layer,
  HeartbeatStore.layer,
  PlanStore.layer,
  InstrumentStore.layer,
  ReplanStore.layer,
  OrderBudget.layer,
  DayTotalStore.layer,
  DatabaseClock.layer
).pipe(
  Layer.provideMerge(CommandDb),
  Layer.provideMerge(TradingHours.layer),
  Layer.provideMerge(Configuration.layer),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

/** Who is asking, for the record. An account need not have a name: containers run under bare numbers. */
export const operator = (): string => {
  const uid = process.getuid?.()
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    return `${uid ?? "somebody"}@${hostname()}`
  }
}

/** Who asks for a change, and why, as it is recorded with it. */
export const askedFor = (reason: string): Asked => ({ by: operator(), reason: reason.trim() })

/** Prints a value as JSON for programs, with instants in ISO 8601 and decimals as text, or as text for people. */
export const print = <A extends object>(asJson: boolean, value: A, text: (value: A) => string): Effect.Effect<void> =>
  Console.log(asJson ? jsonText(value) : text(value))

const jsonText = (value: object): string =>
  JSON.stringify(
    value,
    function (this: Readonly<Record<string, unknown>>, key, part: unknown) {
      // `part` is what the value's own toJSON made of it.
      const own = this[key]
      if (DateTime.isDateTime(own)) return DateTime.formatIso(own)
      return BigDecimal.isBigDecimal(own) ? decimalText(own) : part
    },
    2
  )

/** The command cannot do what was asked; the message says why. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { message: Schema.String }) {}

/** Why an operator does something, for the record. */
export const reason = Flag.String("reason").pipe(
  Flag.filter(
    (text) => text.trim() !== "",
    () => "must not be empty"
  ),
  Flag.withDescription("Why, for the record and for whoever reads it at night")
)

/** Where a reason is good to have, but nobody is kept from doing it without. */
export const optionalReason = Flag.withDefault(reason, "no reason given")

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON for programs instead of text for people"),
  Flag.withDefault(false)
)
