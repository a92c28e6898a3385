import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { Configuration } from "../config/Configuration.ts"
import { daemon } from "../Daemon.ts"
import { CommandDb, DaemonDb } from "../db/DbLayer.ts"
import { migrate } from "../db/Migrations.ts"
import { untilDatabaseIsThere } from "../db/untilDatabaseIsThere.ts"
import { Instance } from "../runtime/Instance.ts"
import { giveLifeSign } from "../runtime/lifeSign.ts"
import { LoggingLayer } from "../runtime/Logging.ts"
import { TelemetryLayer } from "../telemetry/TelemetryLayer.ts"
import { version } from "../version.ts"
import { actionsCommand } from "./commands/actionsCommand.ts"
import { calendarCommand } from "./commands/calendarCommand.ts"
import { doctorCommand } from "./commands/doctorCommand.ts"
import { explainCommand } from "./commands/explainCommand.ts"
import { haltCommand, resumeCommand } from "./commands/haltCommands.ts"
import { healthCommand } from "./commands/healthCommand.ts"
import { instrumentCommand } from "./commands/instrumentCommand.ts"
import { kiteSimulatorCommand } from "./commands/kiteSimulatorCommand.ts"
import { notifyCommand } from "./commands/notifyCommand.ts"
import { orderCommand } from "./commands/orderCommand.ts"
import { planCommand } from "./commands/planCommand.ts"
import { profileCommand } from "./commands/profileCommand.ts"
import { pruneCommand } from "./commands/pruneCommand.ts"
import { auditCommand, reportCommand } from "./commands/reportCommand.ts"
import { restoredCommand } from "./commands/restoredCommand.ts"
import { settleCommand } from "./commands/settleCommand.ts"
import { sliceCommand } from "./commands/sliceCommand.ts"
import { topCommand } from "./commands/topCommand.ts"
import { workersCommand } from "./commands/workersCommand.ts"
import { zerodhaCommand } from "./commands/zerodhaCommand.ts"
import { json, print, warningsOnStderr } from "./shared/environment.ts"

/** The daemon. It is the same instance in all attempts of its start, which its sign of life covers as well. */
const runDaemon = daemon.pipe(
  Effect.provide(DaemonDb),
  untilDatabaseIsThere,
  (start) => Effect.scoped(Effect.andThen(giveLifeSign, start)),
  Effect.provide(
    TelemetryLayer.pipe(
      Layer.provideMerge(LoggingLayer),
      Layer.provideMerge(Layer.merge(Configuration.layer, Instance.layer))
    )
  )
)

const run = Command.make("run", {}, () => runDaemon).pipe(
  Command.withDescription("Run the service until it is told to stop (the default)")
)

const migrateCommand = Command.make("migrate", { json }, (given) =>
  Effect.flatMap(migrate, (applied) =>
    print(given.json, applied, (applied) =>
      applied.length === 0
        ? "The database is up to date"
        : applied.map(({ id, name }) => `Applied ${String(id).padStart(4, "0")}_${name}`)
    )
  ).pipe(Effect.provide(CommandDb.pipe(Layer.provide(Configuration.layer), Layer.provideMerge(warningsOnStderr))))
).pipe(Command.withDescription("Bring the database up to date (the daemon does it by itself)"))

/**
 * The command line: one file for each command in commands/, all of them listed here. Without a command it runs the
 * daemon, which logs and has telemetry. Every other command prints its result on stdout, as text or with --json, and
 * exits with 0, or with 1 and a reason on stderr. Commands never place an order themselves: they change rows, and
 * daemons act on them. Called by program.ts.
 */
export const cli = Command.make("pulse-background", {}, () => runDaemon).pipe(
  Command.withDescription("Turns large orders into many small ones and places each at its exact time with a broker"),
  Command.withSubcommands([
    run,
    migrateCommand,
    orderCommand,
    planCommand,
    explainCommand,
    reportCommand,
    auditCommand,
    profileCommand,
    sliceCommand,
    haltCommand,
    resumeCommand,
    restoredCommand,
    actionsCommand,
    pruneCommand,
    notifyCommand,
    settleCommand,
    zerodhaCommand,
    instrumentCommand,
    calendarCommand,
    topCommand,
    healthCommand,
    workersCommand,
    doctorCommand,
    kiteSimulatorCommand
  ]),
  Command.run({ version })
)
