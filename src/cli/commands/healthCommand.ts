import { DateTime, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { hostname } from "node:os"
import { judge } from "../../domain/operations/workerHealth.ts"
import { isAnswering, livingInstances } from "../../runtime/lifeSign.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { closuresOf, workerTable } from "../terminal/renderWorkers.ts"

export const healthCommand = Command.make(
  "health",
  {
    live: Flag.Boolean("live").pipe(
      Flag.withDescription("Only whether its process is alive, also while it starts; the database is not asked"),
      Flag.withDefault(false)
    ),
    json
  },
  (given) => (given.live ? sayWhetherAlive(given.json) : Effect.provide(sayWhetherHealthy(given.json), CommandLayer))
).pipe(Command.withDescription("Say whether this host's daemon works; exit 0 if it does, 1 if not"))

/** The heartbeats of daemons that have ended do not count: in a restarted container they would look like its own. */
const sayWhetherHealthy = Effect.fnUntraced(function* (asJson: boolean) {
  const living = yield* livingInstances
  const rows = (yield* (yield* HeartbeatStore).workersOn(hostname())).filter(
    ({ instanceId }) => living === null || living.has(instanceId)
  )
  const health = judge(rows, yield* DateTime.now)
  yield* print(asJson, health, ({ healthy, workers }) => [
    healthy ? "healthy" : workers.length === 0 ? `no daemon works on ${hostname()}` : "NOT healthy",
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
})

const sayWhetherAlive = Effect.fnUntraced(function* (asJson: boolean) {
  const living = yield* livingInstances
  if (living === null) return yield* new CommandFailed({ message: "health --live needs Linux, and its /proc/net/unix" })
  const answering = yield* Effect.filter([...living], isAnswering, { concurrency: "unbounded" })
  const alive = answering.length > 0
  yield* print(asJson, { alive, answering }, () =>
    alive ? answering.map((id) => `alive: ${id}`) : "no daemon answers"
  )
  if (!alive) return yield* new CommandFailed({ message: "No daemon on this host is alive" })
})
