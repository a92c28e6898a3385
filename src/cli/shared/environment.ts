import { BigDecimal, Console, Data, DateTime, type Effect, Layer, References } from "effect"
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
import { type Lines, safeJson, shown } from "../terminal/text.ts"

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
export const print = <A extends object>(asJson: boolean, value: A, text: (value: A) => Lines): Effect.Effect<void> =>
  asJson ? printJson(value) : say(text(value))

/** Prints a value as JSON. `indent` is null for a value on one line. */
export const printJson = (value: object, indent: 2 | null = 2): Effect.Effect<void> =>
  Console.log(safeJson(jsonText(value, indent)))

/** Prints lines for people. */
export const say = (lines: Lines): Effect.Effect<void> => Console.log(shown(lines))

/** Tells people on stderr of what they would otherwise not know. */
export const warn = (lines: Lines): Effect.Effect<void> => Console.error(shown(lines))

const jsonText = (value: object, indent: 2 | null): string =>
  JSON.stringify(
    value,
    function (this: Readonly<Record<string, unknown>>, key, part: unknown) {
      // `part` is what the value's own toJSON made of it.
      const own = this[key]
      if (DateTime.isDateTime(own)) return DateTime.formatIso(own)
      return BigDecimal.isBigDecimal(own) ? decimalText(own) : part
    },
    indent ?? undefined
  )

/** The command cannot do what was asked. The message says why, in lines that are safe to show, whatever they quote. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {
  constructor({ message }: { readonly message: Lines }) {
    super({ message: shown(message) })
  }
}

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
