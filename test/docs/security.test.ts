import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { Db } from "../../src/db/Db.ts"
import { testDatabase } from "../support/database.ts"
import { contractRow } from "../support/service.ts"

describe("the rights that the security guide grants", () => {
  it.effect("are enough for pulse-api's INSERT, and for nothing that only this service should write", () =>
    Effect.gen(function* () {
      const { sql, execute, transaction } = yield* Db
      const guide = yield* Effect.promise(() =>
        readFile(new URL("../../doc/guides/security.md", import.meta.url), "utf8")
      )
      const [, statements = ""] = /```sql\n([\s\S]*?)```/.exec(guide) ?? []
      assert.include(statements, "CREATE ROLE pulse_api")
      // Roles belong to the whole server, which other tests use as well.
      const role = `api_${Math.abs(process.pid)}`
      for (const statement of statements.replaceAll("pulse_api", role).split(";\n")) {
        if (statement.trim() !== "") yield* execute("test.grant", sql.unsafe(statement))
      }
      const asRole = (statement: Parameters<typeof execute>[1]) =>
        transaction(
          "test.role",
          Effect.andThen(execute("test.setRole", sql.unsafe(`SET LOCAL ROLE ${role}`)), execute("test.as", statement))
        )
      yield* asRole(sql`INSERT INTO orders ${sql.insert(contractRow("o1"))} ON CONFLICT (order_unique_key) DO NOTHING`)
      yield* asRole(sql`SELECT * FROM order_progress`)
      for (const forbidden of [
        sql`INSERT INTO orders ${sql.insert(contractRow("o2", { claim_version: 1 }))}`,
        sql`UPDATE orders SET total_quantity = 1`,
        sql`DELETE FROM orders`,
        sql`SELECT access_token FROM broker_credentials`,
        sql`INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at) VALUES (false, '', '', now())`,
        sql`UPDATE order_slices SET stage = 'SCHEDULED'`
      ]) {
        assert.strictEqual((yield* Effect.flip(asRole(forbidden))).sqlState, "42501")
      }
      yield* execute("test.revoke", sql.unsafe(`DROP OWNED BY ${role}`))
      yield* execute("test.drop", sql.unsafe(`DROP ROLE ${role}`))
    }).pipe(Effect.provide(testDatabase))
  )
})
