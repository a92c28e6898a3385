import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { Configuration } from "../Configuration.ts"
import { daemon } from "../Daemon.ts"
import { CommandDb, DaemonDb } from "../db/DbLayer.ts"
import { migrate } from "../db/Migrations.ts"
import { LoggingLayer } from "../Logging.ts"
import { TelemetryLayer } from "../telemetry/TelemetryLayer.ts"
import { version } from "../version.ts"
import { actionsCommand } from "./actionsCommand.ts"
import { json, print } from "./environment.ts"
import { doctorCommand } from "./doctorCommand.ts"
import { explainCommand } from "./explainCommand.ts"
import { haltCommand, resumeCommand } from "./haltCommands.ts"
import { healthCommand } from "./healthCommand.ts"
import { instrumentCommand } from "./instrumentCommands.ts"
import { kiteSimulatorCommand } from "./kiteSimulatorCommand.ts"
import { notifyCommand } from "./notifyCommand.ts"
import { orderCommand } from "./orderCommands.ts"
import { planCommand } from "./planCommand.ts"
import { profileCommand } from "./profileCommands.ts"
import { auditCommand, reportCommand } from "./reportCommand.ts"
import { pruneCommand } from "./pruneCommand.ts"
import { settleCommand } from "./settleCommand.ts"
import { sliceCommand } from "./sliceCommands.ts"
import { topCommand } from "./topCommand.ts"
import { workersCommand } from "./workersCommand.ts"
import { zerodhaCommand } from "./zerodhaCommands.ts"

const runDaemon = daemon.pipe(
  Effect.provide(
    DaemonDb.pipe(
      Layer.provideMerge(TelemetryLayer),
      Layer.provideMerge(LoggingLayer),
      Layer.provideMerge(Configuration.layer)
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
        : applied.map(({ id, name }) => `Applied ${String(id).padStart(4, "0")}_${name}`).join("\n")
    )
  ).pipe(Effect.provide(CommandDb.pipe(Layer.provide(Configuration.layer))))
).pipe(Command.withDescription("Bring the database up to date (the daemon does it by itself)"))

/** The command line. Without a command it is the daemon. */
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
    actionsCommand,
    pruneCommand,
    notifyCommand,
    settleCommand,
    zerodhaCommand,
    instrumentCommand,
    topCommand,
    healthCommand,
    workersCommand,
    doctorCommand,
    kiteSimulatorCommand
  ]),
  Command.run({ version })
)
