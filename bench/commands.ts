import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Pool } from "pg"
import { useServer } from "../src/db/EmbeddedPostgres.ts"
import { pulse } from "./contenders/pulse.ts"
import { fillHistory } from "./harness/history.ts"
import { median } from "./harness/median.ts"

/*
 * Times each command that only reads on a long history, with today's work on top: the process as a person starts it, from its
 * start to its end, the median and the fastest of five runs; `--version` asks no database. Each should answer within a second.
 * An exit code of 1 is an answer, too: no daemon runs here, and the mock broker has none of the orders.
 *   npm run bench:commands                          5 million orders and 20 million slices: 25 GB, and 20 minutes to fill
 *   npm run bench:commands -- --orders 100000
 *   npm run bench:commands -- --keep                leaves the database for the next run, which then fills nothing
 */
const { values: given } = parseArgs({
  options: {
    orders: { type: "string", default: "5000000" },
    folder: { type: "string", default: fileURLToPath(new URL("../.pulse-background/bench", import.meta.url)) },
    keep: { type: "boolean", default: false }
  }
})
const orders = Number(given.orders)
const name = `bench_commands_${orders}`
const runs = 5

const commands: ReadonlyArray<string> = [
  "--version",
  "doctor",
  "health",
  "workers",
  "top --once",
  "order list",
  "order show history-1000",
  "order show today-1",
  "explain history-1000",
  "report history-1000",
  "audit history-1000",
  "actions",
  "settle"
]

const server = Effect.gen(function* () {
  mkdirSync(given.folder, { recursive: true })
  // Started by root, PostgreSQL runs as another account and needs access to the folder.
  chmodSync(given.folder, 0o711)
  const { host, port, username, password } = yield* useServer({
    folder: `${given.folder}/postgres`,
    settings: { checkpoint_timeout: "30min", max_wal_size: "8GB" }
  })
  const secret = encodeURIComponent(Redacted.value(password))
  return (database: string) =>
    `postgres:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=${username}&password=${secret}`
})

/** How long a command takes, in milliseconds, and its exit code. */
const run = async (url: string, command: string) => {
  const began = performance.now()
  const main = fileURLToPath(new URL("../dist/main.js", import.meta.url))
  const child = spawn(process.execPath, [main, ...command.split(" ")], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: "ignore"
  })
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
  return { millis: performance.now() - began, code }
}

const fill = async (url: string) => {
  await pulse.prepare(url)
  const pool = new Pool({ connectionString: url, max: 2 })
  await fillHistory(pool, orders, console.log)
  await pool.end()
}

const measure = async (urlOf: (database: string) => string) => {
  const admin = new Pool({ connectionString: urlOf("postgres"), max: 1 })
  const { rows: found } = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1", [name])
  if (found.length === 0) {
    await admin.query(`CREATE DATABASE ${name}`)
    await fill(urlOf(name))
  }
  for (const command of commands) {
    const all = []
    for (let n = 0; n < runs; n++) all.push(await run(urlOf(name), command))
    const times = all.map(({ millis }) => millis)
    console.log(
      `| \`${command}\` | ${Math.round(median(times))} ms | ${Math.round(Math.min(...times))} ms | ${all.at(-1)?.code} |`
    )
  }
  if (!given.keep) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  await admin.end()
}

await Effect.runPromise(Effect.scoped(Effect.flatMap(server, (urlOf) => Effect.promise(() => measure(urlOf)))))
