import { Effect, type Scope } from "effect"
import { readFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { Instance } from "./Instance.ts"

/*
 * What shows that a daemon is alive without asking the database: a socket with an abstract name, which Linux keeps without a
 * file, so that a read-only container has it too, and removes with the process. A container sees its own alone.
 */

const prefix = "pulse-background/"
const answer = "alive\n"

/** Has the socket answer until the scope closes, as long as this process handles events. Only Linux has such sockets. */
export const giveLifeSign: Effect.Effect<void, never, Instance | Scope.Scope> = Effect.gen(function* () {
  if (process.platform !== "linux") return
  const { id } = yield* Instance
  yield* Effect.acquireRelease(listenAt(id), (server) =>
    Effect.sync(() => {
      server.close()
    })
  ).pipe(
    Effect.catch((error) =>
      Effect.logWarning(`health cannot find this daemon, because the system does not let it listen: ${error.message}`)
    )
  )
})

const listenAt = (id: string) =>
  Effect.callback<ReturnType<typeof createServer>, Error>((resume) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined)
      socket.end(answer)
    })
    server.on("error", (error) => resume(Effect.fail(error)))
    server.listen(`\0${prefix}${id}`, () => resume(Effect.succeed(server)))
  })

/** The ids of the daemons that live beside this process; null where the system does not tell. */
export const livingInstances: Effect.Effect<ReadonlySet<string> | null> = Effect.match(
  Effect.tryPromise(() => readFile("/proc/net/unix", "utf8")),
  {
    onFailure: () => null,
    onSuccess: (table) =>
      new Set(
        table.split("\n").flatMap((line) =>
          line
            .split(` @${prefix}`)
            .slice(1)
            .map((id) => id.trim())
        )
      )
  }
)

/** Whether a daemon that lives beside this process handles events. */
export const isAnswering = (id: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(`\0${prefix}${id}`)
    socket.on("error", () => resume(Effect.succeed(false)))
    socket.on("data", () => resume(Effect.succeed(true)))
    socket.on("close", () => resume(Effect.succeed(false)))
    return Effect.sync(() => {
      socket.destroy()
    })
  }).pipe(Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.succeed(false) }))
