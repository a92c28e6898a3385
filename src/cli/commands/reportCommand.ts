import { Console, DateTime, Effect, FileSystem, Layer, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { auditTrail } from "../../report/auditTrail.ts"
import { type ExecutionReport, executionReport } from "../../report/executionReport.ts"
import { ReportStore } from "../../stores/orders/ReportStore.ts"
import { auditText } from "../report/renderAudit.ts"
import { reportText } from "../report/renderReport.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { maxIdLength, maxPathLength, textArgument, textFlag } from "../shared/flags.ts"
import { noSuchOrder } from "../shared/lookUp.ts"
import { auditVerifyCommand } from "./auditVerifyCommand.ts"

const ReportLayer = ReportStore.layer.pipe(Layer.provideMerge(CommandLayer))

const orderId = textArgument("ORDER", maxIdLength).pipe(Argument.withDescription("The order's id"))

export const reportCommand = Command.make(
  "report",
  {
    orderId,
    html: textFlag("html", maxPathLength).pipe(
      Flag.withDescription("Write the report to this file as one HTML page instead; - for stdout"),
      Flag.optional
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const now = yield* DateTime.now
    const report = executionReport(yield* find(given.orderId, now), now)
    const file = Option.getOrNull(given.html)
    if (file === null) return yield* print(given.json, report, reportText)
    const page = yield* pageOf(report)
    if (file === "-") return yield* Console.log(page.trimEnd())
    yield* writePage(file, page)
    yield* print(given.json, report, () => `The report is in ${file}`)
  }, Effect.provide(ReportLayer))
).pipe(
  Command.withDescription(
    "Report an order's execution: planned, placed and filled over time, lateness, costs, slices and broker calls"
  )
)

export const auditCommand = Command.make(
  "audit",
  { orderId, json },
  Effect.fnUntraced(function* (given) {
    const now = yield* DateTime.now
    yield* print(given.json, auditTrail(yield* find(given.orderId, now), now), auditText)
  }, Effect.provide(ReportLayer))
).pipe(
  Command.withDescription("Tell all that happened to an order, in the order of time"),
  Command.withSubcommands([auditVerifyCommand])
)

/** Loads the chart library, which takes a second, only for an HTML page. */
const pageOf = (report: ExecutionReport): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => import("../report/reportPage.ts")),
    ({ reportPage }) => reportPage(report)
  )

const writePage = Effect.fnUntraced(function* (file: string, page: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs
    .writeFileString(file, page)
    .pipe(Effect.mapError(({ message }) => new CommandFailed({ message: `The report was not written: ${message}` })))
})

const find = Effect.fnUntraced(function* (id: string, now: DateTime.Utc) {
  const store = yield* ReportStore
  const record = yield* store.record(id, now)
  if (Option.isSome(record)) return record.value
  return yield* noSuchOrder(id)
})
