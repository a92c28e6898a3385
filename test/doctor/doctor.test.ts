import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Option } from "effect"
import { auditCheck } from "../../src/doctor/auditCheck.ts"
import { backlogChecks, type BacklogGroup } from "../../src/doctor/backlogChecks.ts"
import { brokerCheck } from "../../src/doctor/brokerCheck.ts"
import { calendarCheck } from "../../src/doctor/calendarCheck.ts"
import { type Check, ok } from "../../src/doctor/Check.ts"
import { clockCheck } from "../../src/doctor/clockCheck.ts"
import { closureCheck } from "../../src/doctor/closureCheck.ts"
import { dayLimitCheck } from "../../src/doctor/dayLimitCheck.ts"
import { doubleCheck } from "../../src/doctor/doubleCheck.ts"
import { durabilityCheck } from "../../src/doctor/durabilityCheck.ts"
import { encryptionCheck } from "../../src/doctor/encryptionCheck.ts"
import { haltCheck } from "../../src/doctor/haltCheck.ts"
import { heldOrderCheck } from "../../src/doctor/heldOrderCheck.ts"
import { historyCheck } from "../../src/doctor/historyCheck.ts"
import { instrumentCheck } from "../../src/doctor/instrumentCheck.ts"
import { migrationCheck } from "../../src/doctor/migrationCheck.ts"
import { misplacedCheck } from "../../src/doctor/misplacedCheck.ts"
import { notificationCheck } from "../../src/doctor/notificationCheck.ts"
import { operatorCheck } from "../../src/doctor/operatorCheck.ts"
import { requestCheck } from "../../src/doctor/requestCheck.ts"
import { othersRightsCheck, roleCheck, rowSecurityCheck } from "../../src/doctor/rightsChecks.ts"
import { secretFileCheck } from "../../src/doctor/secretFileCheck.ts"
import { connectionCheck, databaseCheck, type ServerFacts } from "../../src/doctor/serverChecks.ts"
import { lockCheck, transactionCheck } from "../../src/doctor/sessionChecks.ts"
import { bloatCheck, diskCheck } from "../../src/doctor/storageChecks.ts"
import { tokenCheck, type TokenFacts } from "../../src/doctor/tokenCheck.ts"
import { workerCheck } from "../../src/doctor/workerCheck.ts"
import { forEachVenue } from "../../src/domain/market/Venue.ts"
import { judge } from "../../src/domain/operations/workerHealth.ts"

const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")
const ago = (seconds: number) => DateTime.subtract(now, { seconds })
const inSeconds = (seconds: number) => DateTime.add(now, { seconds })

/** Asserts each check's verdict and text. */
const assertAll = (cases: ReadonlyArray<readonly [Check, Check["verdict"], RegExp]>) => {
  for (const [check, verdict, text] of cases) {
    const shown = `${check.found} → ${check.todo ?? ""}`
    assert.strictEqual(check.verdict, verdict, shown)
    assert.match(shown, text)
    assert.strictEqual(check.todo === null, verdict === "OK", shown)
  }
}

const server: ServerFacts = {
  version: "18.4",
  database: "pulse",
  isStandby: false,
  isReadOnly: false,
  fsync: "on",
  fullPageWrites: "on",
  synchronousCommit: "on",
  synchronousStandbyNames: "",
  standbys: 0,
  connections: 12,
  maxConnections: 100,
  autovacuum: "on"
}

describe("doctor's check of the audit", () => {
  it("covers its seals, and what is not sealed", () => {
    const sealed = { number: 7, hash: "ab", fits: true, oldestUnsealed: null, broken: [], behind: [], isAhead: false }
    assertAll([
      [auditCheck(sealed, now), "OK", /^sealed up to 7:ab/],
      [auditCheck({ ...sealed, number: 0 }, now), "OK", /^nothing is sealed yet/],
      [auditCheck({ ...sealed, oldestUnsealed: ago(299) }, now), "OK", /^sealed/],
      [auditCheck({ ...sealed, oldestUnsealed: ago(301) }, now), "WARNING", /^rows of 5m 1s ago are not sealed/],
      [auditCheck({ ...sealed, fits: false }, now), "PROBLEM", /do not end at 7:ab.*audit verify/],
      [
        auditCheck({ ...sealed, behind: ["broker_calls"], isAhead: true }, now),
        "PROBLEM",
        /of broker_calls was set back/
      ],
      [auditCheck({ ...sealed, isAhead: true }, now), "PROBLEM", /^more rows are recorded.*audit verify/],
      [auditCheck({ ...sealed, broken: [5, 6] }, now), "PROBLEM", /^seal 5, 6 does not fit.*audit verify/]
    ])
  })
})

describe("doctor's checks of the server", () => {
  it("cover its role, its latency and its connections", () =>
    assertAll([
      [databaseCheck(server, 0.8), "OK", /^PostgreSQL 18\.4, database pulse, answers in 0\.8 ms/],
      [databaseCheck(server, 80), "WARNING", /answers in 80\.0 ms.*network/],
      [databaseCheck({ ...server, isStandby: true, isReadOnly: true }, 1), "PROBLEM", /standby.*primary/],
      [databaseCheck({ ...server, isReadOnly: true }, 1), "PROBLEM", /read-only.*default_transaction_read_only/],
      [connectionCheck(server), "OK", /12 of 100/],
      [connectionCheck({ ...server, connections: 95 }), "WARNING", /95 of 100.*max_connections/]
    ]))

  it("cover what its role and other roles may do", () => {
    const role = { user: "pulse", isSuperuser: false, isOwner: false, mayCreate: false, hidden: [] }
    const right = { role: "pulse_api", object: "placement_halts", rights: "DELETE, INSERT" }
    assertAll([
      [roleCheck(role), "OK", /^pulse has no more rights/],
      [roleCheck({ ...role, isSuperuser: true, isOwner: true, mayCreate: true }), "WARNING", /superuser.*roles\.sql/],
      [roleCheck({ ...role, isOwner: true }), "WARNING", /owns tables/],
      [roleCheck({ ...role, mayCreate: true }), "WARNING", /may create tables/],
      [rowSecurityCheck(role), "OK", /no rows/],
      [rowSecurityCheck({ ...role, hidden: ["orders"] }), "PROBLEM", /hidden from pulse → ALTER TABLE orders DISABLE/],
      [othersRightsCheck([]), "OK", /no other role/],
      [
        othersRightsCheck([right]),
        "WARNING",
        /^pulse_api may.*→ REVOKE DELETE, INSERT ON placement_halts FROM pulse_api;$/
      ],
      [
        othersRightsCheck([{ role: "metabase", object: null, rights: "pg_read_all_data" }]),
        "WARNING",
        /→ REVOKE pg_read_all_data FROM metabase;$/
      ],
      [othersRightsCheck(Array.from({ length: 5 }, () => right)), "WARNING", /2 more: run deploy\/postgres/]
    ])
  })

  it("cover whether the connection is encrypted and verified", () => {
    const facts = { isEncrypted: true, verified: "nothing", isLocal: false } as const
    assertAll([
      [encryptionCheck({ ...facts, verified: "name" }), "OK", /encrypted.*verified with its name/],
      [encryptionCheck({ ...facts, verified: "authority" }), "OK", /certificate is verified/],
      [encryptionCheck(facts), "WARNING", /not verified.*sslmode=verify-full/],
      [encryptionCheck({ ...facts, isLocal: true }), "OK", /not verified/],
      [encryptionCheck({ ...facts, isEncrypted: false, verified: "name" }), "WARNING", /plain text.*ssl on/],
      [encryptionCheck({ ...facts, isEncrypted: false, isLocal: true }), "OK", /plain text, on this host/]
    ])
  })

  it("cover what a crash or a failover would lose", () =>
    assertAll([
      [durabilityCheck(server), "OK", /are on/],
      [
        durabilityCheck({ ...server, fsync: "off", synchronousCommit: "off" }),
        "PROBLEM",
        /fsync and synchronous_commit off.*placed twice.*ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET synchronous_commit = on;/
      ],
      [durabilityCheck({ ...server, fullPageWrites: "off" }), "PROBLEM", /full_page_writes off/],
      [durabilityCheck({ ...server, standbys: 1 }), "WARNING", /1 standby server that commits do not wait for/],
      [durabilityCheck({ ...server, standbys: 1, synchronousStandbyNames: "a" }), "OK", /on/],
      [
        durabilityCheck({ ...server, standbys: 1, synchronousStandbyNames: "a", synchronousCommit: "local" }),
        "WARNING",
        /failover/
      ]
    ]))

  it("cover its migrations and its clock", () =>
    assertAll([
      [migrationCheck({ missing: [], unknown: [], applied: 19 }, "1"), "OK", /all 19/],
      [
        migrationCheck({ missing: ["0019_x"], unknown: [], applied: 18 }, "1"),
        "PROBLEM",
        /0019_x missing.*main\.js migrate/
      ],
      [
        migrationCheck({ missing: [], unknown: ["0020_y"], applied: 20 }, "1"),
        "WARNING",
        /newer than version 1: 0020_y/
      ],
      [migrationCheck({ missing: ["0019_x"], unknown: ["0019_z"], applied: 19 }, "1"), "PROBLEM", /parted/],
      [clockCheck(-3, Duration.millis(500)), "OK", /3 ms behind/],
      [clockCheck(501, Duration.millis(500)), "WARNING", /501 ms ahead of.*CLOCK_OFFSET_LIMIT_MILLIS \(500\).*chronyc/]
    ]))

  it("cover sessions that block others, tables and the disk", () => {
    const session = { pid: 42, application: "psql", user: "me", state: "idle in transaction" }
    const table = { name: "order_slices", liveRows: 100, deadRows: 10, bytes: 5e6, vacuumedAt: null }
    assertAll([
      [transactionCheck(null, now), "OK", /none/],
      [transactionCheck({ ...session, since: ago(30) }, now), "OK", /30s/],
      [
        transactionCheck({ ...session, since: ago(120) }, now),
        "WARNING",
        /2m: process 42, psql, user me, idle.*backend\(42\)/
      ],
      [transactionCheck({ ...session, since: ago(1000) }, now), "PROBLEM", /16m 40s/],
      [lockCheck(null, now), "OK", /nobody/],
      [
        lockCheck({ ...session, since: ago(9), blockers: [7, 8] }, now),
        "WARNING",
        /9s, for process 7, 8.*backend\(7\)/
      ],
      [lockCheck({ ...session, since: ago(9), blockers: [] }, now), "WARNING", /nobody any more/],
      [bloatCheck([table], "on"), "OK", /5 MB/],
      [
        bloatCheck([table, { ...table, deadRows: 30_000 }], "on"),
        "WARNING",
        /30000 dead rows to 100.*never.*VACUUM \(ANALYZE\) order_slices;/
      ],
      [bloatCheck([{ ...table, liveRows: 90_000, deadRows: 30_000 }], "on"), "OK", /not bloated/],
      [bloatCheck([table], "off"), "WARNING", /autovacuum is off/],
      [diskCheck("/data", 5e9), "OK", /5000 MB free/],
      [diskCheck("/data", 1e9), "WARNING", /1000 MB.*\/data/],
      [diskCheck("/data", 1e8), "PROBLEM", /100 MB/]
    ])
  })
})

describe("doctor's checks of placements", () => {
  const broker = { configured: "mock", isDryRun: false, inUse: null, account: null }
  const stored: TokenFacts["stored"] = {
    setAt: ago(3600),
    setBy: "me@host",
    user: "AB1234",
    endsAt: inSeconds(36_000),
    refusedReason: null,
    unreadable: null
  }
  const token = { stored, isGiven: false, account: "AB1234" }

  it("cover the broker and its access token", () =>
    assertAll([
      [brokerCheck(broker), "OK", /^mock: no real orders/],
      [
        brokerCheck({ ...broker, configured: "zerodha u", inUse: "zerodha u", account: "A1" }),
        "OK",
        /^zerodha u, account A1 →/
      ],
      [brokerCheck({ ...broker, inUse: "zerodha u" }), "PROBLEM", /settings say mock.*at zerodha u.*BROKER_TYPE/],
      [brokerCheck({ ...broker, configured: "mock (dry run)", isDryRun: true }), "WARNING", /nothing is sent/],
      [
        tokenCheck(token, now),
        "OK",
        /by me@host for AB1234, good until 2026-11-24T20:00:00.* Zerodha was not asked, "zerodha check" does/
      ],
      [tokenCheck({ ...token, stored: null }, now), "PROBLEM", /there is none.*zerodha login/],
      [tokenCheck({ ...token, stored: null, isGiven: true }, now), "WARNING", /ZERODHA_ACCESS_TOKEN.*zerodha check/],
      [
        tokenCheck({ ...token, stored: { ...stored, refusedReason: "invalid" } }, now),
        "PROBLEM",
        /refused by Zerodha: invalid.*login/
      ],
      [
        tokenCheck({ ...token, stored: { ...stored, endsAt: now } }, now),
        "PROBLEM",
        /ended at 2026-11-24T10.*6:00 in India/
      ],
      [
        tokenCheck({ ...token, stored: { ...stored, endsAt: now }, isGiven: true }, now),
        "WARNING",
        /ended.*ZERODHA_ACCESS_TOKEN/
      ],
      [tokenCheck({ ...token, stored: { ...stored, endsAt: inSeconds(600) } }, now), "WARNING", /ends in 10m/],
      [
        tokenCheck({ ...token, stored: { ...stored, unreadable: "CREDENTIAL_KEY is not set" } }, now),
        "PROBLEM",
        /CREDENTIAL_KEY is not set; set .* login/
      ],
      [tokenCheck({ ...token, account: "CD1" }, now), "PROBLEM", /of AB1234, but .* account of CD1/]
    ]))

  it("cover who is recorded with a change, and who may read secrets", () => {
    const nobody = { account: "node", person: null, isRequired: false }
    assertAll([
      [operatorCheck({ ...nobody, person: "Asha" }), "OK", /done by Asha/],
      [operatorCheck({ ...nobody, account: "asha" }), "OK", /done by asha/],
      [operatorCheck({ ...nobody, isRequired: true }), "OK", /ask who you are/],
      [operatorCheck(nobody), "WARNING", /by node, which tells nobody.*--as NAME.*PULSE_OPERATOR/],
      [secretFileCheck([]), "OK", /no secret/],
      [secretFileCheck(["DATABASE_URL_FILE"]), "WARNING", /the file of DATABASE_URL_FILE → chmod 600/]
    ])
  })

  it("cover the day's limits and the account's requests", () => {
    const totals = { orders: 9, value: BigDecimal.fromStringUnsafe("1000.5") }
    const limits = (orders: number | null, value: string | null) => ({
      ordersPerDay: Option.fromNullishOr(orders),
      valuePerDay: Option.map(Option.fromNullishOr(value), BigDecimal.fromStringUnsafe)
    })
    const requests = {
      today: 100,
      cancelsToday: 0,
      perDay: 5000,
      blockedUntil: null,
      cappedUntil: null,
      cancelsCappedUntil: null
    }
    assertAll([
      [dayLimitCheck(totals, limits(null, null)), "OK", /orders today: 9; no limit is set/],
      [dayLimitCheck(totals, limits(11, "5000")), "OK", /orders 9 of 11, value 1000\.5 of 5000/],
      [dayLimitCheck({ ...totals, orders: 19 }, limits(20, null)), "WARNING", /nearly used up/],
      [dayLimitCheck(totals, limits(null, "1001")), "WARNING", /nearly used up/],
      [dayLimitCheck(totals, limits(10, null)), "WARNING", /orders 9 of 10: nearly used up/],
      [dayLimitCheck(totals, limits(9, null)), "PROBLEM", /orders 9 of 9: used up/],
      [dayLimitCheck(totals, limits(null, "1000.5")), "PROBLEM", /value 1000\.5 of 1000\.5: used up/],
      [dayLimitCheck(totals, limits(8, null)), "PROBLEM", /9 orders .* LIMIT_ORDERS_PER_DAY \(8\): nothing more/],
      [requestCheck(requests, now), "OK", /100 of the 5000.*4500/],
      [requestCheck({ ...requests, today: 4100 }, now), "WARNING", /nearly/],
      [requestCheck({ ...requests, today: 4049 }, now), "OK", /4049 of the 5000/],
      [requestCheck({ ...requests, today: 4050 }, now), "WARNING", /nearly/],
      [requestCheck({ ...requests, today: 4500 }, now), "PROBLEM", /used up.*order cancel/],
      [requestCheck({ ...requests, today: 4500, cancelsToday: 500 }, now), "OK", /; 500 were cancels/],
      [requestCheck({ ...requests, today: 5000, cancelsToday: 500 }, now), "PROBLEM", /for cancels → .* at the broker/],
      [requestCheck({ ...requests, today: 2600, cancelsToday: 2500 }, now), "PROBLEM", /used up for cancels/],
      [requestCheck({ ...requests, cancelsCappedUntil: inSeconds(30) }, now), "PROBLEM", /takes no more cancels/],
      [requestCheck({ ...requests, blockedUntil: inSeconds(30) }, now), "WARNING", /asked for a pause → Wait 30s/],
      [
        requestCheck({ ...requests, cappedUntil: inSeconds(30) }, now),
        "PROBLEM",
        /broker says.*until 2026-11-24T10:00:30/
      ]
    ])
  })

  it("cover halts and orders on hold", () => {
    const halt = { requestedBy: "me", requestedAt: ago(60), reason: "fat finger" }
    const held = (orderId: string) => ({ orderId, reason: "paused", slices: 2, isDouble: false })
    assertAll([
      [haltCheck({ halt: null, waitingFor: [] }, now), "OK", /not halted/],
      [haltCheck({ halt, waitingFor: [] }, now), "WARNING", /1m by me: fat finger → node dist\/main\.js resume/],
      [haltCheck({ halt, waitingFor: ["a"] }, now), "PROBLEM", /a did not acknowledge.*by hand/],
      [haltCheck({ halt: null, waitingFor: ["a"] }, now), "PROBLEM", /workers/],
      [heldOrderCheck([]), "OK", /none/],
      [heldOrderCheck([held("a")]), "WARNING", /a \(2 slices\): paused → .*order resume a/],
      [
        heldOrderCheck([{ ...held("d"), isDouble: true }, held("a")]),
        "PROBLEM",
        /d \(2 slices\): paused; a .*→ d was placed twice, mend it at the broker first: cancel .* by hand, then: .*order resume d/
      ],
      [heldOrderCheck(["a", "b", "c", "d", "e"].map(held)), "WARNING", /; and 2 more →/]
    ])
  })

  const until = (day: string) => forEachVenue(() => day)

  it("cover the calendar and the instrument list", () =>
    assertAll([
      [calendarCheck(null, now), "OK", /off/],
      [calendarCheck(until("2026-12-31"), now), "OK", /until 2026-12-31/],
      [calendarCheck(until("2026-12-24"), now), "WARNING", /calendar import FILE/],
      [calendarCheck(until("2026-11-23"), now), "PROBLEM", /nothing is placed after/],
      [
        calendarCheck({ ...until("2027-12-31"), COMMODITIES: "2026-12-24" }, now),
        "WARNING",
        /until 2026-12-24 \(COMMODITIES\), 2027-12-31 \(EQUITY, EQUITY_WITH_/
      ],
      [instrumentCheck(null, now), "WARNING", /no list.*instruments sync/],
      [instrumentCheck(ago(3600), now), "OK", /1h old/],
      [instrumentCheck(ago(3 * 86_400), now), "WARNING", /3d old.*instruments sync/]
    ]))
})

describe("doctor's check of notifications", () => {
  it("depends on undelivered notifications and their age", () => {
    const facts = { waiting: 0, critical: 0, oldestFoundAt: null, givenUp: 0, criticalGivenUp: 0, lastError: null }
    const refused = "the webhook answered 404"
    assertAll([
      [notificationCheck(facts, now), "OK", /delivered/],
      [notificationCheck({ ...facts, waiting: 1, oldestFoundAt: ago(290) }, now), "OK", /about to be/],
      [
        notificationCheck({ ...facts, waiting: 2, oldestFoundAt: ago(310), givenUp: 1, lastError: refused }, now),
        "PROBLEM",
        /2 notifications not delivered, the oldest for 5m 10s: the webhook answered 404 → .*notify test/
      ],
      [notificationCheck({ ...facts, givenUp: 1, lastError: refused }, now), "WARNING", /1 notification given up.*404/],
      [
        notificationCheck({ ...facts, waiting: 4001, critical: 1, oldestFoundAt: ago(310) }, now),
        "PROBLEM",
        /4001 notifications not delivered, 1 of them critical, the oldest for 5m 10s →/
      ],
      [
        notificationCheck({ ...facts, givenUp: 3, criticalGivenUp: 1, lastError: refused }, now),
        "PROBLEM",
        /3 notifications given up in the last day, 1 of them critical: the webhook answered 404 →/
      ]
    ])
  })
})

describe("doctor's checks of the work", () => {
  const instance = (
    instanceId: string,
    age: number,
    changed: { version?: string; hold?: string; holdOf?: string } = {}
  ) =>
    ["executor", "monitor", "splitter"].map((worker) => ({
      instanceId,
      worker,
      version: changed.version ?? "1",
      hold: worker === (changed.holdOf ?? "executor") ? (changed.hold ?? null) : null,
      heartbeatAt: ago(age),
      staleAfterMillis: 10_000
    }))
  const judged = (...all: ReadonlyArray<ReturnType<typeof instance>>) => judge(all.flat(), now).workers

  it("cover the daemons and their placement gates", () =>
    assertAll([
      [workerCheck([], "1"), "PROBLEM", /none runs.* → node dist\/main\.js$/],
      [workerCheck(judged(instance("a", 1)), "1"), "OK", /1 daemon of version 1/],
      [workerCheck(judged(instance("a", 11)), "1"), "PROBLEM", /stale: a \(executor, monitor, splitter\); no other/],
      [workerCheck(judged(instance("a", 11), instance("b", 1)), "1"), "WARNING", /1 daemon .*stale: a/],
      [
        workerCheck(judged(instance("a", 1), instance("b", 1, { version: "2" })), "1"),
        "WARNING",
        /version 1, 2; this is version 1/
      ],
      [closureCheck(judged(instance("a", 1)), null), "OK", /no daemon is on hold/],
      [closureCheck(judged(instance("a", 1, { hold: "no token" })), null), "PROBLEM", /nothing is placed: no token/],
      [closureCheck(judged(instance("a", 11, { hold: "no token" })), null), "OK", /no daemon/],
      [closureCheck(judged(instance("a", 1, { hold: "halted by me: x" })), "halted by me: x"), "OK", /but by the halt/],
      [
        closureCheck(judged(instance("a", 1, { hold: "no order list", holdOf: "monitor" })), null),
        "WARNING",
        /^no order list/
      ]
    ]))

  const timeouts = {
    split: Duration.seconds(25),
    splitTimeout: Duration.minutes(6),
    claim: Duration.seconds(13),
    doubt: Duration.minutes(3),
    sweep: Duration.seconds(100)
  }
  const free = { isHalted: false, liveExecutors: 1, isOnHold: false }
  const only = (kind: BacklogGroup["kind"], seconds: number, standstill = free): Check => {
    const checks = backlogChecks([{ kind, count: 2, id: "x", since: ago(seconds) }], timeouts, standstill, now)
    const found = checks.filter(({ verdict }) => verdict !== "OK")
    assert.isAtMost(found.length, 1)
    return found[0] ?? checks.find(({ found }) => found.includes("(x)")) ?? ok("", "nothing")
  }

  it("cover stuck orders and slices, no sooner than their timeouts", () =>
    assertAll([
      [only("pending", 20), "OK", /2 PENDING orders, the oldest for 20s \(x\)/],
      [only("pending", 30), "PROBLEM", /no splitter/],
      [only("splitting", 350), "OK", /2 orders/],
      [only("splitting", 370), "PROBLEM", /ORDER_SPLIT_TIMEOUT_MINUTES/],
      [only("doubt", 170), "OK", /looked up/],
      [only("doubt", 190), "PROBLEM", /slice placed x BROKER_ORDER --reason TEXT, or .*slice skip x --reason TEXT/],
      [only("lost", 1), "PROBLEM", /slice placed x BROKER_ORDER --filled N --price P/],
      [only("expired", 90), "OK", /nothing/],
      [only("expired", 110), "PROBLEM", /no monitor skips it/],
      [only("held", 1), "WARNING", /order on hold → See "orders on hold"/],
      [only("respread", 110), "WARNING", /planned anew/],
      [only("hours", 1), "PROBLEM", /TRADING_CALENDAR=on/],
      [only("unknown kind", 1), "PROBLEM", /version/],
      [only("unclaimed", 12), "OK", /nothing/],
      [only("unclaimed", 14), "PROBLEM", /nothing forbids/],
      [only("unclaimed", 14, { ...free, isHalted: true }), "WARNING", /halted → .*resume/],
      [only("unclaimed", 14, { ...free, liveExecutors: 0 }), "PROBLEM", /no daemon runs/],
      [only("unclaimed", 14, { ...free, isOnHold: true }), "PROBLEM", /every daemon is on hold/]
    ]))

  it("cover misplaced slices", () => {
    const slices = ["a", "b", "c", "d"].map((id) => ({ id, state: "nowhere" }))
    assertAll([
      [misplacedCheck([], 4, null), "OK", /^none →/],
      [misplacedCheck([], 4, 5000), "OK", /^none among the newest 5000 of each table →/],
      [
        misplacedCheck(slices.slice(0, 1), 4, null),
        "PROBLEM",
        /^1 slice: a \(nowhere\) → Leave these rows as they are: .*report/
      ],
      [misplacedCheck(slices, 9, null), "PROBLEM", /^4 slices: a \(nowhere\); b .*; c \(nowhere\); and 1 more/],
      [misplacedCheck(slices, 4, null), "PROBLEM", /^at least 4 slices: a .*; and 1 more/]
    ])
  })

  it("cover a database that forgets", () =>
    assertAll([
      [historyCheck({ isSettled: true, since: null, reason: null }, now), "OK", /the one that the daemons know/],
      [
        historyCheck({ isSettled: false, since: null, reason: null }, now),
        "PROBLEM",
        /another history.*Start a daemon/
      ],
      [
        historyCheck({ isSettled: false, since: DateTime.subtract(now, { seconds: 90 }), reason: "a reason" }, now),
        "PROBLEM",
        /nothing is placed for .*: a reason → It ends by itself/
      ]
    ]))

  it("cover double placements", () =>
    assertAll([
      [doubleCheck([]), "OK", /none/],
      [
        doubleCheck([{ sliceId: "s", orderId: "o", brokerOrderIds: ["1", "2"] }]),
        "PROBLEM",
        /s has the broker orders 1, 2.*order show o, then .*order resume o/
      ]
    ]))
})
