import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../src/db/Db.ts"
import { auditCheck } from "../../src/doctor/auditCheck.ts"
import { AuditStore } from "../../src/stores/operations/AuditStore.ts"
import { AuditVerifyStore } from "../../src/stores/operations/AuditVerifyStore.ts"
import { RetentionStore } from "../../src/stores/operations/RetentionStore.ts"
import { makeAudit, placeAudited, sealAll, verified, withoutTriggers } from "../support/audit.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer, setClock } from "../support/service.ts"
import { tampering } from "../support/tampering.ts"

const service = Layer.mergeAll(AuditVerifyStore.layer, RetentionStore.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

const untouched = Effect.map(verified, ({ faults }) => assert.deepStrictEqual(faults, []))

/** A look-up of the broker's order list that was removed in time. */
const prunedLookUp = Effect.gen(function* () {
  yield* placeAudited("o3")
  yield* sealAll
  yield* (yield* RetentionStore).pruneOthers({ before: DateTime.makeUnsafe(1), asked, now: yield* DateTime.now })
})

const count = 100

describe("audit verify", () => {
  it.effect(`finds each of ${count} random changes, and names it`, () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* makeAudit
      yield* prunedLookUp
      yield* sealAll
      yield* untouched
      const change = yield* tampering
      const { sql, transaction } = yield* Db
      const missed: Array<unknown> = []
      for (let seed = 1; seed <= count; seed += 1) {
        const { id, table, text } = yield* change(seed)
        const { faults } = yield* transaction(
          "test.tamper",
          Effect.andThen(withoutTriggers(sql.unsafe(text)), verified).pipe(
            Effect.flatMap((found) => Effect.fail(found))
          )
        ).pipe(Effect.catch((found) => ("faults" in found ? Effect.succeed(found) : Effect.fail(found))))
        const isNamed = faults.some((fault) => table === null || (fault.table === table && `${fault.id}` === id))
        if (!isNamed) missed.push({ seed, text, faults })
      }
      assert.deepStrictEqual(missed, [])
      yield* untouched
    }).pipe(Effect.provide(service))
  )
})

const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))

/** Runs checks on a settled audit of two orders. */
const onAudit = <A, E, R>(checks: Effect.Effect<A, E, R>) =>
  Effect.andThen(Effect.andThen(setClock(), makeAudit), checks).pipe(Effect.provide(service))

const compared = Effect.map(verified, ({ faults, tables }) => {
  assert.deepStrictEqual(faults, [])
  return Object.fromEntries(tables.map(({ pruned, rows, table, unsealed }) => [table, [rows, pruned, unsealed]]))
})

const rowsOfTwo = { placement_halts: [4, 0, 0], operator_actions: [6, 0, 0], broker_calls: [12, 0, 0] }

const insertHalt =
  "INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at) VALUES (true, 'r', 'me', 'epoch')"

/** Lets the test's clock go on, a second for each few milliseconds, until something is done. */
const inTime = <A, E, R>(done: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(
    done,
    Effect.forever(Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("5 millis"))))
  )

describe("the audit", () => {
  it.effect("refuses to be changed, also by the owner of its tables", () =>
    onAudit(
      Effect.gen(function* () {
        yield* prunedLookUp
        const [{ hash }] = [yield* (yield* AuditStore).progress]
        for (const statement of [
          "UPDATE placement_halts SET reason = 'other'",
          "UPDATE audit_seals SET form = 2",
          "UPDATE audit_prunings SET operator = 'other'",
          ...["placement_halts", "audit_seals", "audit_prunings"].flatMap((table) => [
            `DELETE FROM ${table}`,
            `TRUNCATE ${table}`
          ]),
          "DELETE FROM audit_head",
          "TRUNCATE audit_head",
          "UPDATE audit_head SET number = number - 1",
          "UPDATE audit_head SET covered = covered - 1",
          "UPDATE audit_head SET hash = ''",
          "DELETE FROM broker_calls",
          "SELECT prune_broker_calls('{1}', '{o1}', now() - interval '1 day', 'me', now())",
          "SELECT prune_broker_look_ups(now(), 10, 'me', now())",
          // Its calls were made at the beginning of 1970.
          "SELECT prune_broker_calls('{1}', '{o1}', '1969-12-31', 'me', now())"
        ]) {
          const { sqlState } = yield* Effect.flip(run(statement))
          assert.strictEqual(sqlState, "42501", statement)
        }
        assert.strictEqual((yield* (yield* AuditStore).progress).hash, hash)
        yield* compared
      })
    )
  )

  it.effect("is removed in time by its functions alone, which leave a record that is sealed as well", () =>
    onAudit(
      Effect.gen(function* () {
        yield* run("SELECT prune_broker_calls('{1}', '{o1}', '1970-01-02', 'me', 'epoch')")
        // A part of each seal of broker calls.
        yield* run("SELECT prune_broker_look_ups('1970-01-02', 1, 'me', 'epoch')")
        assert.deepStrictEqual(yield* compared, { ...rowsOfTwo, broker_calls: [6, 6, 0], audit_prunings: [0, 0, 2] })
        yield* sealAll
        assert.deepStrictEqual(yield* compared, { ...rowsOfTwo, broker_calls: [6, 6, 0], audit_prunings: [2, 0, 0] })
        // Whoever owns the tables can do what prune does, and leaves a record, too.
        const { sql, transaction } = yield* Db
        const record =
          "INSERT INTO audit_prunings (at, operator, removed) SELECT 'epoch', 'owner', range_agg(int8range(number, number + 1)) FROM broker_calls WHERE number <= 9"
        yield* transaction("test.owner", Effect.andThen(run(record), run("DELETE FROM broker_calls WHERE number <= 9")))
        assert.strictEqual((yield* Effect.flip(run("DELETE FROM broker_calls WHERE number = 10"))).sqlState, "42501")
        assert.deepStrictEqual((yield* compared)["broker_calls"], [4, 8, 0])
        // The last two days are kept by whoever removes.
        yield* withoutTriggers(sql`UPDATE broker_calls SET called_at = now() - interval '40 hours' WHERE number = 10`)
        const recent = Effect.andThen(run(record.replace("9", "10")), run("DELETE FROM broker_calls WHERE number = 10"))
        assert.include((yield* Effect.flip(transaction("test.recent", recent))).message, "kept for two days at least")
      })
    )
  )

  it.effect("is compared alike whatever the session's settings are", () =>
    onAudit(
      Effect.gen(function* () {
        const { sql, transaction } = yield* Db
        const settings = [
          "TimeZone = 'Asia/Kolkata'",
          "DateStyle = 'German'",
          "extra_float_digits = -15",
          "bytea_output = 'escape'",
          "IntervalStyle = 'sql_standard'"
        ]
        const found = yield* transaction(
          "test.settings",
          Effect.andThen(
            Effect.forEach(settings, (setting) => Effect.orDie(sql.unsafe(`SET LOCAL ${setting}`))),
            compared
          )
        )
        assert.deepStrictEqual(found, { ...rowsOfTwo, audit_prunings: [0, 0, 0] })
      })
    )
  )

  it.effect("is not sealed past a transaction that may still commit an older row", () =>
    onAudit(
      Effect.gen(function* () {
        const { transaction } = yield* Db
        const [isWritten, commit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const older = yield* transaction(
          "test.older",
          run(insertHalt).pipe(
            Effect.andThen(Deferred.succeed(isWritten, undefined)),
            Effect.andThen(Deferred.await(commit))
          )
        ).pipe(Effect.forkChild)
        yield* Deferred.await(isWritten)
        yield* run(insertHalt)
        const sealing = yield* Effect.forkChild(sealAll)
        yield* inTime(Fiber.join(sealing))
        assert.deepStrictEqual((yield* compared)["placement_halts"], [4, 0, 1])
        const again = yield* Effect.forkChild(sealAll)
        yield* Deferred.succeed(commit, undefined)
        yield* Fiber.join(older)
        yield* inTime(Fiber.join(again))
        assert.deepStrictEqual((yield* compared)["placement_halts"], [6, 0, 0])
      })
    )
  )

  it.effect("is sealed by one at a time, and past any number of ids that were never committed", () =>
    onAudit(
      Effect.gen(function* () {
        const store = yield* AuditStore
        yield* run("SELECT setval('placement_halts_id_seq', 2000000000)")
        yield* run(insertHalt)
        const { hash, number } = yield* store.progress
        const batch = {
          table: "operator_actions",
          after: 0,
          last: 9,
          top: 9,
          limit: 2,
          now: DateTime.makeUnsafe(0)
        } as const
        yield* sealAll
        assert.isFalse((yield* store.seal({ ...batch, head: { number, hash } })).isNext)
        assert.deepStrictEqual((yield* compared)["placement_halts"], [5, 0, 0])
        assert.strictEqual((yield* store.progress).number, number + 1)
      })
    )
  )

  it.effect("that was changed and sealed anew does not have a seal that was written down before", () =>
    onAudit(
      Effect.gen(function* () {
        const { sql } = yield* Db
        const { verify } = yield* AuditVerifyStore
        const { hash, number } = yield* (yield* AuditStore).progress
        const known = [{ hash, number }]
        assert.strictEqual((yield* verify({ known, limit: 10 })).faultCount, 0)
        yield* withoutTriggers(
          sql`UPDATE placement_halts SET reason = 'another'`,
          sql`DELETE FROM audit_seals`,
          sql`UPDATE audit_head SET number = 0, hash = '', covered = 0`
        )
        yield* sealAll
        assert.deepStrictEqual((yield* verify({ known: [], limit: 10 })).faults, [])
        // In one batch for each table now.
        assert.deepStrictEqual((yield* verify({ known, limit: 10 })).faults, [
          { table: "audit_seals", id: number, change: "removed", seal: null }
        ])
        yield* run(insertHalt)
        yield* sealAll
        const end = yield* (yield* AuditStore).progress
        const other = [{ number: end.number, hash }]
        assert.deepStrictEqual((yield* verify({ known: other, limit: 10 })).faults, [
          { table: "audit_seals", id: end.number, change: "changed", seal: null }
        ])
      })
    )
  )

  it.effect("tells of rows that were written long after the time that they tell", () =>
    onAudit(
      Effect.gen(function* () {
        yield* setClock("1 day")
        yield* run(insertHalt.replace("'epoch'", "'1970-01-02'"))
        yield* sealAll
        yield* run(insertHalt)
        yield* sealAll
        const { faults, tables } = yield* verified
        assert.deepStrictEqual(faults, [])
        assert.deepStrictEqual(
          tables.map(({ late }) => late),
          [[8], [], [], []]
        )
      })
    )
  )

  it.effect("is covered when all is sealed, and its end is looked at by doctor", () =>
    onAudit(
      Effect.gen(function* () {
        const { sql } = yield* Db
        const store = yield* AuditStore
        const { fits, broken, oldestUnsealed } = yield* store.status
        assert.deepStrictEqual([fits, broken, oldestUnsealed], [true, [], null])
        yield* run(insertHalt)
        assert.deepStrictEqual((yield* store.status).oldestUnsealed, DateTime.makeUnsafe(0))
        yield* withoutTriggers(
          sql`UPDATE audit_seals SET sealed_at = 'epoch'::timestamptz + interval '1 s' WHERE number = 3`
        )
        assert.deepStrictEqual((yield* store.status).broken, [3])
        yield* withoutTriggers(sql`DELETE FROM audit_seals WHERE number = 6`)
        assert.isFalse((yield* store.status).fits)
      })
    )
  )

  it.effect("whose counters were set back does not blame its rows, and goes on after what doctor advises", () =>
    onAudit(
      Effect.gen(function* () {
        const store = yield* AuditStore
        yield* run("ALTER TABLE broker_calls ALTER number RESTART")
        yield* run("ALTER TABLE operator_actions ALTER id RESTART")
        assert.deepStrictEqual((yield* verified).faults, [
          { table: "audit_head", id: null, change: "changed", seal: null }
        ])
        const status = yield* store.status
        assert.deepStrictEqual([status.behind, status.isAhead], [["operator_actions", "broker_calls"], true])
        const advice = auditCheck(status, yield* DateTime.now).todo ?? ""
        for (const [statement] of advice.matchAll(/SELECT setval.*?;/g)) yield* run(statement)
        assert.deepStrictEqual((yield* verified).faults, [])
        yield* run("UPDATE audit_head SET covered = covered + 1000")
        assert.isTrue((yield* store.status).isAhead)
      })
    )
  )
})
