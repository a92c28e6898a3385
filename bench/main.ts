import { Effect, Redacted } from "effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { useServer } from "../src/db/EmbeddedPostgres.ts"
import { goalVerdicts } from "./goals.ts"
import { measure, quickExtent, scenarios, scenariosOnce, wholeExtent } from "./measure.ts"
import { Figures, withSpread } from "./measuredFigures.ts"
import { chartsOf } from "./performanceCharts.ts"

/*
 * Measures this service and its peers in turn, on one PostgreSQL, and holds the figures against the goals.
 *   npm run bench                      everything, some 40 minutes; writes doc/performance.md and its charts
 *   npm run bench -- --quick           whether every scenario still works, within a minute; writes nothing
 *   npm run bench -- --only burn-down,split --repeats 3
 *   npm run bench -- --rows 1000000    a smaller table for what is said of growth: 10,000,000 take a quarter of an hour
 */
const { values: given } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    repeats: { type: "string" },
    rows: { type: "string" },
    folder: { type: "string", default: fileURLToPath(new URL("../.pulse-background/bench", import.meta.url)) }
  }
})

const all = [...Object.keys(scenarios), ...Object.keys(scenariosOnce)]
const only = given.only?.split(",") ?? all
const unknown = only.filter((name) => !all.includes(name))
if (unknown.length > 0) throw new Error(`There is no scenario ${unknown.join(", ")}. There are: ${all.join(", ")}`)

const extent = {
  ...(given.quick ? quickExtent : wholeExtent),
  ...(given.repeats === undefined ? {} : { repeats: Number(given.repeats) }),
  ...(given.rows === undefined ? {} : { growthRows: Number(given.rows) })
}
const figures = new Figures()

const server = Effect.gen(function* () {
  mkdirSync(given.folder, { recursive: true })
  // Root's PostgreSQL runs as another account, which must be able to enter.
  chmodSync(given.folder, 0o711)
  const { host, port, username, password, database } = yield* useServer({
    folder: `${given.folder}/postgres`,
    // Otherwise as PostgreSQL comes. A checkpoint in the middle of one run and not of another would tell of luck.
    settings: { checkpoint_timeout: "30min", max_wal_size: "8GB" }
  })
  const secret = encodeURIComponent(Redacted.value(password))
  return `postgres://${username}:${secret}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
})

await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(server, (server) =>
      Effect.promise(() => measure({ server, extent, figures, say: console.log }, (name) => only.includes(name)))
    )
  )
)

const figureTable = [
  "| scenario | who | figure | median (min to max) |",
  "| --- | --- | --- | --- |",
  ...figures.all.map((figure) => `| ${figure.scenario} | ${figure.who} | ${figure.what} | ${withSpread(figure)} |`)
].join("\n")
const goalTable = [
  "| what | reach | measured | reached |",
  "| --- | --- | --- | --- |",
  ...goalVerdicts(figures, extent).map(
    ({ what, reach, measured, isMet }) => `| ${what} | ${reach} | ${measured} | ${isMet ? "yes" : "**no**"} |`
  )
].join("\n")
console.log(`\n${figureTable}\n\n${goalTable}`)

/** Puts the tables between their marks; what people have written around them stays. */
const writeReport = () => {
  const doc = fileURLToPath(new URL("../doc/", import.meta.url))
  const where = `Node.js ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? "?"}), ${extent.repeats} repeats.`
  const tables: Readonly<Record<string, string>> = { where, goals: goalTable, figures: figureTable }
  const before = readFileSync(`${doc}performance.md`, "utf8")
  const after = Object.entries(tables).reduce(
    (text, [name, table]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->)[^]*?(<!-- end -->)`),
        (_, start: string, end: string) => `${start}\n\n${table}\n\n${end}`
      ),
    before
  )
  writeFileSync(`${doc}performance.md`, after)
  for (const [file, svg] of Object.entries(chartsOf(figures))) writeFileSync(`${doc}images/${file}`, svg)
}
if (!given.quick && given.only === undefined) writeReport()
