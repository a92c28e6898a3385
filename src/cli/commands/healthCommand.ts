import { DateTime, Effect } from "effect"
import { Command } from "effect/cli"
import { hostname } from "node:os"
import { judge } from "../../domain/operations/workerHealth.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { closuresOf, workerTable } from "../terminal/renderWorkers.ts"

export const healthCommand = Command.make(
  "health",
  { json },
  Effect.fnUntraced(function* (given) {
    const rows = yield* (yield* HeartbeatStore).workersOn(hostname())
    const health = judge(rows, yield* DateTime.now)
    yield* print(given.json, health, ({ healthy, workers }) => [
      healthy ? "healthy" : workers.length === 0 ? `no daemon runs on ${hostname()}` : "NOT healthy",
      ...closuresOf(workers),
      ...(workers.length === 0
        ? []
        : [
            ...workerTable(workers, [
              "INSTANCE",
              "WORKER",
              "VERSION",
              "LAST SUCCESS",
              "STATUS",
              "TICKS",
              "FAILED",
              "LAST ERROR"
            ])
          ])
    ])
    if (!health.healthy) return yield* new CommandFailed({ message: "The service on this host is not healthy" })
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Say whether this host's daemon works; exit 0 if it does, 1 if not"))
