import { Effect, Redacted } from "effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { useServer } from "../src/db/EmbeddedPostgres.ts"
import { quickExtent, wholeExtent } from "./extent.ts"
import { goalVerdicts } from "./goals.ts"
import { measure, scenarioNames } from "./measure.ts"
import { Figures, notMeasured } from "./measuredFigures.ts"
import { chartsOf } from "./performanceCharts.ts"
import { figureTable, goalTable, repeatsText, withParts } from "./tables.ts"

/*
 * Benchmarks this service and comparable queues on one embedded PostgreSQL and compares the figures with goals. Each run of a
 * scenario has a fresh database, and each contender runs in worker processes of its own; contenders take turns within each
 * repeat, so that a slow phase of the machine hits all of them. The bench has its own package.json: the service does not
 * depend on its peers. A change to quantile or median changes the figures of doc/performance.md.
 *   npm run bench                      everything, about 25 minutes on 2 cores; writes doc/performance.md and its charts
 *   npm run bench -- --quick           checks in about three minutes that every scenario works; writes nothing
 *   npm run bench -- burn-down held-transaction --repeats 3
 *   npm run bench -- growth --rows 1000000    a smaller table; 10,000,000 rows take some minutes to insert
 * extent.ts has the sizes, and says how they are chosen.
 */
const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    repeats: { type: "string" },
    rows: { type: "string" },
    folder: { type: "string", default: fileURLToPath(new URL("../.pulse-background/bench", import.meta.url)) }
  }
})

const wordOf = (name: string) => name.replaceAll(" ", "-")
const unknown = positionals.filter((word) => !scenarioNames.some((name) => wordOf(name) === word))
if (unknown.length > 0) {
  throw new Error(`There is no scenario ${unknown.join(", ")}. There are: ${scenarioNames.map(wordOf).join(", ")}`)
}
const isWhole = positionals.length === 0
const wanted = scenarioNames.filter((name) => isWhole || positionals.includes(wordOf(name)))

const extent = {
  ...(given.quick ? quickExtent : wholeExtent),
  ...(given.repeats === undefined ? {} : { repeats: Number(given.repeats) }),
  ...(given.rows === undefined ? {} : { growthRows: Number(given.rows) })
}
const figures = new Figures()
const began = performance.now()
if (isWhole) console.log(given.quick ? "This takes about three minutes" : "This takes about 25 minutes on 2 cores")

const server = Effect.gen(function* () {
  mkdirSync(given.folder, { recursive: true })
  // Started by root, PostgreSQL runs as another account and needs access to the folder.
  chmodSync(given.folder, 0o711)
  const { host, port, username, password, database } = yield* useServer({
    folder: `${given.folder}/postgres`,
    // The defaults, except for checkpoints: one that falls into a run by chance would distort it.
    settings: { checkpoint_timeout: "30min", max_wal_size: "8GB" }
  })
  const secret = encodeURIComponent(Redacted.value(password))
  return `postgres:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=${username}&password=${secret}`
})

const failed = await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(server, (server) => Effect.promise(() => measure({ server, extent, figures }, wanted, console.log)))
  )
)

const figuresText = figureTable(figures)
const verdicts = goalVerdicts(figures, extent)
const goalsText = goalTable(isWhole ? verdicts : verdicts.filter(({ measured }) => !measured.startsWith(notMeasured)))
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
console.log(`\n${figuresText}\n\n${goalsText}\n\n${minutes} minutes`)

/** Replaces the tables between the marks in doc/performance.md, and the charts. The text around them stays. */
const writeReport = () => {
  const doc = fileURLToPath(new URL("../doc/", import.meta.url))
  const where = `Node.js ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? "?"}), ${extent.repeats} repeats, ${minutes} minutes.`
  const page = readFileSync(`${doc}performance.md`, "utf8")
  writeFileSync(
    `${doc}performance.md`,
    withParts(page, { repeats: repeatsText(extent), where, goals: goalsText, figures: figuresText })
  )
  for (const [file, svg] of Object.entries(chartsOf(figures))) writeFileSync(`${doc}images/${file}`, svg)
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(", ")}. Nothing is written`)
  process.exitCode = 1
} else if (isWhole && !given.quick) writeReport()
