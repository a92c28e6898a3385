import { ConfigProvider, Console, DateTime, Effect, Exit, Layer, References, Schedule, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream } from "node:fs"
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { MockOrderList } from "../src/broker/mock/MockOrderList.ts"
import { Configuration } from "../src/config/Configuration.ts"
import { CommandDb } from "../src/db/DbLayer.ts"
import { Tag } from "../src/domain/model/Ids.ts"
import { quantile } from "../src/domain/numbers/quantile.ts"
import { OrderCommands } from "../src/stores/orders/OrderCommands.ts"

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))
const examples = new URL("../examples/orders.json", import.meta.url)

class DemoFailed extends Schema.TaggedError<DemoFailed>()("DemoFailed", { message: Schema.String }) {}

const ExampleOrders = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      instrument: Schema.String,
      side: Schema.String,
      quantity: Schema.Int,
      splits: Schema.Int,
      duration: Schema.Int,
      randomize: Schema.optionalKey(Schema.Boolean),
      type: Schema.optionalKey(Schema.String),
      limitPrice: Schema.optionalKey(Schema.String),
      product: Schema.optionalKey(Schema.String)
    })
  )
)
type ExampleOrder = (typeof ExampleOrders.Type)[number]

const argumentsOf = (order: ExampleOrder): ReadonlyArray<string> => [
  `--instrument=${order.instrument}`,
  `--side=${order.side}`,
  `--quantity=${order.quantity}`,
  `--splits=${order.splits}`,
  `--duration=${order.duration}`,
  ...(order.randomize === false ? ["--no-randomize"] : []),
  ...(order.type === undefined ? [] : [`--type=${order.type}`]),
  ...(order.limitPrice === undefined ? [] : [`--limit-price=${order.limitPrice}`]),
  ...(order.product === undefined ? [] : [`--product=${order.product}`])
]

/** A temporary folder for database and log. Started by root, PostgreSQL runs as another account and needs access to it. */
const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "pulse-demo-"))
    await chmod(folder, 0o711)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const exitOf = (child: ChildProcess) =>
  Effect.callback<number>((resume) => {
    const done = () => resume(Effect.succeed(child.exitCode ?? 1))
    if (child.exitCode !== null || child.signalCode !== null) done()
    else child.once("exit", done)
  })

/** Starts the daemon in its own process group: Ctrl-C reaches only the demo, which then stops the daemon cleanly. */
const startDaemon = (environment: Readonly<Record<string, string>>, logFile: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [main], {
        env: environment,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true
      })
      const log = createWriteStream(logFile)
      child.stdout.pipe(log)
      child.stderr.pipe(log)
      return child
    }),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGTERM")),
        exitOf(child)
      )
  )

/** Runs one command of the service; the exit code. */
const pulse = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  output: "inherit" | "ignore"
) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      spawn(process.execPath, [main, ...args], { env: environment, stdio: ["ignore", output, output] })
    ),
    exitOf,
    (child) => Effect.sync(() => child.kill())
  )

const mustSucceed = (what: string, run: Effect.Effect<number>) =>
  Effect.filterOrFail(
    run,
    (code) => code === 0,
    (code) => new DemoFailed({ message: `${what} failed with exit code ${code}` })
  )

const latenessLine = (lateness: ReadonlyArray<number>): string => {
  const sorted = lateness.toSorted((a, b) => a - b)
  const at = (share: number) => `${(quantile(sorted, share) ?? 0).toFixed(1)} ms`
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (${sorted.length} slices)`
}

/** Prints the outcome, from the database and the mock broker's order list; fails unless all was placed once and in time. */
const summary = Effect.gen(function* () {
  const commands = yield* OrderCommands
  const orderList = yield* MockOrderList
  const orders = yield* commands.list(100)
  const now = yield* DateTime.now
  const slices = (yield* Effect.forEach(orders, (order) =>
    Effect.map(commands.slices(order.orderId, now), (slices) =>
      slices.map((slice) => ({
        ...slice,
        // A slice that is due when its order arrives is late by the time of the split, so it is counted apart.
        isDueOnArrival: DateTime.toEpochMillis(slice.scheduledAt) - DateTime.toEpochMillis(order.createdAt) < 100
      }))
    )
  )).flat()
  const lateness = (isDueOnArrival: boolean) =>
    slices.filter((slice) => slice.isDueOnArrival === isDueOnArrival).map((slice) => slice.latenessMillis ?? Infinity)
  const brokerOrders = yield* orderList.findByTag(new Set(slices.map((slice) => Tag.make(slice.tag))))
  const placed = slices.filter((slice) => slice.stage === "PROCESSED").length
  const filled = orders.reduce((sum, order) => sum + order.filledQuantity, 0)
  const wanted = orders.reduce((sum, order) => sum + (order.totalQuantity ?? 0), 0)
  const doubles = brokerOrders.length - new Set(brokerOrders.map((order) => order.tag)).size
  const early = slices.filter((slice) => (slice.latenessMillis ?? 0) < 0).length

  yield* Console.log(
    [
      "",
      `${orders.length} orders, ${slices.length} slices: ${placed} placed, ${filled} of ${wanted} units filled`,
      `placed twice: ${doubles}, lost: ${slices.length - placed}, early: ${early}`,
      `lateness of slices on schedule: ${latenessLine(lateness(false))}`,
      `lateness of slices due the moment their order arrived: ${latenessLine(lateness(true))}`
    ].join("\n")
  )
  if (placed !== slices.length || filled !== wanted || doubles > 0 || early > 0) {
    return yield* new DemoFailed({ message: "Not every slice was placed once, on time, and filled" })
  }
})

const demo = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const logFile = join(folder, "daemon.log")
  const settings = {
    EMBEDDED_POSTGRES_FOLDER: join(folder, "postgres"),
    BROKER_POLL_INTERVAL_SECONDS: "0.5",
    LOG_FORMAT: "pretty"
  }
  const environment = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", TERM: "xterm", ...settings }
  const lastLogLines = Effect.promise(() => readFile(logFile, "utf8")).pipe(
    Effect.flatMap((text) => Console.error(`The daemon's last words:\n${text.split("\n").slice(-15).join("\n")}`))
  )

  yield* Effect.gen(function* () {
    yield* Console.log(`Starting PostgreSQL and the daemon; its log is ${logFile}`)
    const daemon = yield* startDaemon(environment, logFile)
    yield* mustSucceed("health", pulse(["health"], environment, "ignore")).pipe(
      Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 40, while: () => daemon.exitCode === null })
    )
    const orders = yield* Schema.decodeEffect(ExampleOrders)(yield* Effect.promise(() => readFile(examples, "utf8")))
    for (const order of orders) {
      const args = ["order", "submit", ...argumentsOf(order)]
      yield* Console.log(`$ node dist/main.js ${args.map((arg) => (arg.includes("&") ? `'${arg}'` : arg)).join(" ")}`)
      yield* mustSucceed("order submit", pulse(args, environment, "inherit"))
    }
    yield* Console.log("$ node dist/main.js order watch")
    yield* Effect.raceFirst(
      mustSucceed("order watch", pulse(["order", "watch"], environment, "inherit")),
      Effect.flatMap(exitOf(daemon), (code) => new DemoFailed({ message: `The daemon ended with exit code ${code}` }))
    )
    yield* summary.pipe(
      Effect.provide(
        Layer.mergeAll(OrderCommands.layer, MockOrderList.table).pipe(
          Layer.provide(CommandDb),
          Layer.provide(Configuration.layer),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings))),
          Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
        )
      )
    )
    yield* Console.log("Stopping everything")
  }).pipe(Effect.tapError(() => lastLogLines))
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: "3 minutes",
    orElse: () => Effect.fail(new DemoFailed({ message: "The demo took longer than 3 minutes" }))
  })
)

const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort())
const exit = await Effect.runPromiseExit(demo, { signal: stop.signal })
if (Exit.isFailure(exit)) console.error(stop.signal.aborted ? "Stopped" : String(exit.cause))
process.exit(Exit.isSuccess(exit) ? 0 : 1)
