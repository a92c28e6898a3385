import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { judgeLedger } from "../../scripts/lib/ledgerVerdict.ts"
import { Db } from "../../src/db/Db.ts"
import { everyFault, KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { kiteError } from "../../src/kite-simulator/reply.ts"
import { insertOrders, quickToReconcile, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { tlsFile } from "../support/tcpPostgres.ts"
import { tlsServer } from "../support/tlsServers.ts"

const simulator = KiteSimulator.layer({
  seed: "process",
  lookupsPerSecond: 100,
  limits: { perSecond: 30, perMinute: 1200, perDay: 5000, modifications: 25 },
  fillDelay: Duration.millis(100),
  maxDelay: Duration.seconds(1)
})

/** The environment of daemons that use the test's own Kite simulator; late orders appear within a second. */
const environmentOf = (databaseUrl: string) =>
  Effect.gen(function* () {
    const { url, feedUrl, issueToken } = yield* KiteSimulator
    return {
      ...quickToReconcile,
      DATABASE_URL: databaseUrl,
      BROKER_TYPE: "zerodha",
      INSTRUMENT_SYNC_TIME: "off",
      TRADING_CALENDAR: "off",
      ZERODHA_URL: url,
      ZERODHA_API_KEY: "simulator-key",
      ZERODHA_ACCESS_TOKEN: yield* issueToken,
      ZERODHA_ORDER_FEED: "on",
      ZERODHA_ORDER_FEED_URL: feedUrl,
      ZERODHA_ORDERS_PER_SECOND: "30",
      ZERODHA_ORDERS_PER_MINUTE: "1200",
      // On a busy machine requests may arrive up to a second apart from when they were sent.
      ZERODHA_RATE_LIMIT_MARGIN_MILLIS: "1000",
      RECONCILE_QUARANTINE_SECONDS: "4",
      BROKER_CIRCUIT_PAUSE_SECONDS: "0.5",
      SLICE_MAX_ATTEMPTS: "100"
    }
  })

const unfinished = Effect.map(stages, (counts) => (counts["SCHEDULED"] ?? 0) + (counts["IN_PROGRESS"] ?? 0))

/** Asserts the verdict on the simulator's ledger, which has every order. */
const nothingIsWrong = (slices: number) =>
  Effect.gen(function* () {
    const { ledger, summary } = yield* KiteSimulator
    const { figures, problems } = yield* judgeLedger(slices, yield* ledger, yield* summary)
    assert.deepStrictEqual(problems, [], JSON.stringify(figures))
  })

const onSimulator = <A, E>(body: (url: string) => Effect.Effect<A, E, Db | KiteSimulator>) =>
  withDatabase((url) => Effect.provide(body(url), Layer.fresh(simulator)))

describe("daemons with Zerodha", () => {
  it.live("place each slice at most once and within the limits, with every fault and a killed daemon", () =>
    onSimulator((url) =>
      Effect.gen(function* () {
        const { setFaults } = yield* KiteSimulator
        // A second 429 in a row delays everything to the next minute, so they are rare here.
        yield* setFaults({ ...everyFault(0.4), rate_limited_html: 0 })
        const environment = yield* environmentOf(url)
        const first = yield* startMain([], environment)
        yield* startMain([], environment)
        yield* insertOrders(3, { total_quantity: 400, num_splits: 40, duration_minutes: 0 }, 0)
        yield* eventually("some are placed", stages, (counts) => (counts["PROCESSED"] ?? 0) > 20)
        first.child.kill("SIGKILL")
        yield* eventually("all are at their end", unfinished, (left) => left === 0)
        // Broker orders are also followed until they are final.
        yield* setFaults({})
        yield* eventually(
          "the order list is followed",
          Effect.exit(nothingIsWrong(120)),
          (exit) => exit._tag === "Success"
        )
        yield* nothingIsWrong(120)
      }).pipe(Effect.scoped)
    )
  )

  it.live("lose no slice and need no operator when the address is refused for a while", () =>
    onSimulator((url) =>
      Effect.gen(function* () {
        const { allowAddress } = yield* KiteSimulator
        yield* allowAddress(false)
        const environment = yield* environmentOf(url)
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        const health = yield* eventually("health shows it", runMain(["health"], environment), ({ output }) =>
          output.includes("takes no orders from this address")
        )
        assert.strictEqual(health.code, 0)
        assert.deepStrictEqual(yield* unfinished, 5)
        yield* allowAddress(true)
        yield* eventually("all are placed", stages, (counts) => counts["PROCESSED"] === 5)
        yield* nothingIsWrong(5)
      }).pipe(Effect.scoped)
    )
  )

  it.live("say why open orders are not cancelled, and cancel them once the broker takes it", () =>
    onSimulator((url) =>
      Effect.gen(function* () {
        const { refuseCancels, ledger } = yield* KiteSimulator
        const environment = yield* environmentOf(url)
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0, num_splits: 2, order_type: "LIMIT", limit_price: 1 }, 0)
        yield* eventually("all are placed", stages, (counts) => counts["PROCESSED"] === 2)
        yield* refuseCancels(kiteError(403, "PermissionException", "No IPs configured for this app."))
        yield* runMain(["order", "cancel", "o0"], environment)
        const words = "the broker takes no orders from this address: No IPs configured for this app."
        const doctor = yield* eventually("doctor has a problem", runMain(["doctor"], environment), ({ output }) =>
          output.includes("PROBLEM  refused cancels")
        )
        assert.include(doctor.output, words)
        assert.include(doctor.output, "Cancel them at the broker")
        const { output } = yield* runMain(["order", "show", "o0"], environment)
        assert.match(
          output,
          /Slices? [^:]*: cancel (?:refused once|not sent): the broker takes no orders from this address/
        )
        const { output: audit } = yield* runMain(["report", "o0"], environment)
        assert.include(audit, "the broker takes no orders from this address")
        assert.notInclude(audit, "access token")
        yield* refuseCancels(null)
        yield* eventually("all are cancelled", ledger, ({ orders }) =>
          orders.every(({ status }) => status === "CANCELLED")
        )
        assert.isAtMost((yield* ledger).requests.filter(({ method }) => method === "DELETE").length, 12)
      }).pipe(Effect.scoped)
    )
  )

  it.live("send nothing in a dry run, and use up none of the account's requests", () =>
    onSimulator((url) =>
      Effect.gen(function* () {
        yield* startMain([], { ...(yield* environmentOf(url)), DRY_RUN: "true" })
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("all slices are SKIPPED", stages, (counts) => counts["SKIPPED"] === 5)
        const { sql, query } = yield* Db
        const budgets = yield* query(
          "test.budgets",
          Schema.Struct({ grantedToday: Schema.Int }),
          sql`SELECT granted_today FROM order_budgets`
        )
        assert.deepStrictEqual(budgets, [{ grantedToday: 0 }])
      }).pipe(Effect.scoped)
    )
  )

  it.live("leave nothing in doubt when the broker's certificate is no good, and doctor says why", () =>
    onSimulator((url) =>
      Effect.gen(function* () {
        const { port, requests } = yield* tlsServer("expired")
        const environment = {
          ...(yield* environmentOf(url)),
          ZERODHA_URL: `https://localhost:${port}`,
          ZERODHA_ORDER_FEED: "off",
          NODE_EXTRA_CA_CERTS: tlsFile("expired.crt"),
          BROKER_CIRCUIT_FAILURES: "1",
          BROKER_CIRCUIT_PAUSE_SECONDS: "3600"
        }
        yield* startMain([], environment)
        yield* insertOrders(1, { num_splits: 1, duration_minutes: 0 }, 0)
        yield* eventually("doctor says why", runMain(["doctor"], environment), ({ output }) =>
          output.includes("the TLS handshake with localhost failed: certificate has expired")
        )
        assert.deepStrictEqual(yield* stages, { SCHEDULED: 1 })
        assert.deepStrictEqual(requests, [])
      }).pipe(Effect.scoped)
    )
  )
})
