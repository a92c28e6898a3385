import { BigDecimal, Console, Data, DateTime, type Effect, Layer, Logger, References } from "effect"
import { Flag } from "effect/cli"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { CommandDb } from "../../db/DbLayer.ts"
import { decimalText } from "../../domain/text/decimals.ts"
import { safeJson } from "../../domain/text/safe.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { OrderBudget } from "../../stores/account/OrderBudget.ts"
import { CalendarStore } from "../../stores/operations/CalendarStore.ts"
import { HaltStore } from "../../stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { OperatorActionStore } from "../../stores/operations/OperatorActionStore.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { PlanStore } from "../../stores/orders/PlanStore.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"
import { type Lines, shown } from "../terminal/text.ts"
import { maxReasonLength, textFlag } from "./flags.ts"

/**
 * The base of every command but the daemon: settings, trading hours, a database connection, the stores that most
 * commands need, and the database's clock. A command adds its own stores on top and prints through {@link print},
 * {@link say} and {@link warn}, which make every line safe for a terminal. A request that cannot be met ends in
 * {@link CommandFailed}, which program.ts prints on stderr before it exits with 1. Commands do not log.
 */
export const CommandLayer = Layer.mergeAll(
  OrderCommands.layer,
  HaltStore.layer,
  HeartbeatStore.layer,
  OperatorActionStore.layer,
  CalendarStore.layer,
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

/** Warnings on stderr, for commands that may have to wait for others: they say for whom. */
export const warningsOnStderr = Layer.merge(
  Logger.layer([
    Logger.withConsoleError(
      Logger.make<unknown, string>(({ message }) => shown((Array.isArray(message) ? message : [message]).join(" ")))
    )
  ]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

/** Prints a value as JSON for programs, or as lines for people. */
export const print = <A extends object>(asJson: boolean, value: A, text: (value: A) => Lines): Effect.Effect<void> =>
  asJson ? printJson(value) : say(text(value))

/** Prints a value as JSON, with instants in ISO 8601 and decimals as strings. With `indent` null it takes one line. */
export const printJson = (value: object, indent: 2 | null = 2): Effect.Effect<void> =>
  Console.log(safeJson(jsonText(value, indent)))

/** Prints lines for people. */
export const say = (lines: Lines): Effect.Effect<void> => Console.log(shown(lines))

/** Prints lines for people on stderr, so that they do not mix with a command's result. */
export const warn = (lines: Lines): Effect.Effect<void> => Console.error(shown(lines))

const jsonText = (value: object, indent: 2 | null): string =>
  JSON.stringify(
    value,
    function (this: Readonly<Record<string, unknown>>, key, part: unknown) {
      // `part` has been through the value's own toJSON; `this` still holds the value itself.
      const own = this[key]
      if (DateTime.isDateTime(own)) return DateTime.formatIso(own)
      return BigDecimal.isBigDecimal(own) ? decimalText(own) : part
    },
    indent ?? undefined
  )

/** The command cannot do what was asked. The message says why; it is safe to show, whatever texts of rows it quotes. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {
  constructor({ message }: { readonly message: Lines }) {
    super({ message: shown(message) })
  }
}

/** The reason that is recorded with a change; it must not be blank, and not long. */
export const reason = textFlag("reason", maxReasonLength).pipe(
  Flag.filter(
    (text) => text.trim() !== "",
    () => "must not be empty"
  ),
  Flag.withDescription("Why, for the record and for whoever reads it at night")
)

/** For changes that may go without a reason. */
export const optionalReason = Flag.withDefault(reason, "no reason given")

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON for programs instead of text for people"),
  Flag.withDefault(false)
)
