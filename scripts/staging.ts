import { Console, Effect, Exit } from "effect"
import { fileURLToPath } from "node:url"
import { type Environment, running, simulatorApi } from "./lib/stagingProcesses.ts"

/*
 * A staging environment on this machine until Ctrl-C: the Kite simulator with faults on port 8765, and a daemon on an embedded
 * PostgreSQL, with both logs on the terminal.
 *   npm run staging [-- FAULT_RATE]
 */
const folder = fileURLToPath(new URL("../.pulse-background/staging", import.meta.url))
// DATABASE_URL is not passed on: it may point to a database with real orders.
const database: Environment = { EMBEDDED_POSTGRES_FOLDER: folder }
const faultRate = process.argv[2] ?? "0.03"
const port = "8765"
const url = `http://127.0.0.1:${port}`
const accessToken = "staging-token"

const staging = Effect.gen(function* () {
  yield* running(
    [
      "kite-simulator",
      "--port",
      port,
      "--fault-rate",
      faultRate,
      "--longest-delay-seconds",
      "20",
      "--access-token",
      accessToken
    ],
    {},
    "inherit"
  )
  yield* simulatorApi(url).untilReady
  yield* Console.log(
    [
      "",
      "In another terminal:",
      `  export BROKER_TYPE=zerodha TRADING_CALENDAR=off ZERODHA_URL=${url}`,
      `  export ZERODHA_API_KEY=simulator-key ZERODHA_ACCESS_TOKEN=${accessToken}`,
      `  export EMBEDDED_POSTGRES_FOLDER='${folder}'; unset DATABASE_URL`,
      "  node dist/main.js order submit --instrument NSE:INFY --side BUY --quantity 100 --splits 10 --duration 2",
      "  node dist/main.js order watch",
      `  curl ${url}/simulator/summary`,
      "Ctrl-C stops everything.",
      ""
    ].join("\n")
  )
  yield* running(
    [],
    {
      ...database,
      BROKER_TYPE: "zerodha",
      // The simulated exchange is always open.
      TRADING_CALENDAR: "off",
      ZERODHA_URL: url,
      ZERODHA_API_KEY: "simulator-key",
      ZERODHA_ACCESS_TOKEN: accessToken,
      ZERODHA_ORDER_FEED: "on",
      ZERODHA_ORDER_FEED_URL: `ws://127.0.0.1:${port}/feed`,
      RECONCILE_QUARANTINE_SECONDS: "30",
      LOG_FORMAT: "pretty"
    },
    "inherit"
  )
  yield* Effect.never
}).pipe(Effect.scoped)

const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort())
const exit = await Effect.runPromiseExit(staging, { signal: stop.signal })
if (Exit.isFailure(exit) && !stop.signal.aborted) console.error(String(exit.cause))
process.exit(stop.signal.aborted ? 0 : 1)
