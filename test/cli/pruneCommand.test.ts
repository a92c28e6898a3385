import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { withoutTriggers } from "../support/audit.ts"
import { insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"

describe("prune", () => {
  it.live("removes old orders beside a running daemon, reports them, and refuses a time that is too recent", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const unsealed = yield* pulse("audit", "verify")
        assert.strictEqual(unsealed.code, 0, unsealed.output)
        assert.match(unsealed.output, /\nNothing is sealed yet, so no row was compared\n$/)
        yield* startMain([], environment)
        yield* insertOrders(2, { duration_minutes: 0 }, 0)
        yield* eventually("all is filled", pulse("order", "list"), ({ output }) => output.split(" filled").length === 3)
        yield* execute(
          "test.age",
          sql`UPDATE orders SET created_at = created_at - interval '9 days', updated_at = updated_at - interval '9 days' WHERE id = 'o0'`
        )
        yield* withoutTriggers(sql`
          UPDATE broker_calls SET called_at = called_at - interval '9 days'
          WHERE slice IN (SELECT slice FROM slice_plan WHERE order_number = (SELECT number FROM orders WHERE id = 'o0'))`)
        yield* execute(
          "test.age",
          sql`UPDATE order_slices SET updated_at = updated_at - interval '9 days' WHERE order_id = 'o0'`
        )

        for (const days of ["1", "0", "40000"]) {
          const refused = yield* pulse("prune", "--older-than", days)
          assert.strictEqual(refused.code, 1)
          assert.match(refused.output, /--older-than must be from 2 to 36500 days.*Nothing was removed\.$/m)
        }
        const dry = yield* pulse("prune", "--older-than", "7", "--dry-run")
        assert.strictEqual(dry.code, 0, dry.output)
        assert.match(
          dry.output,
          /^Would remove what has not changed since .*: 1 orders with 5 slices and 1 plans, 5 audited/
        )
        assert.deepStrictEqual(yield* stages, { PROCESSED: 10 })
        const pruned = yield* pulse("prune", "--older-than", "7", "--json")
        assert.deepInclude(JSON.parse(pruned.output), { dryRun: false, orders: 1, slices: 5, plans: 1, mockOrders: 5 })
        assert.deepStrictEqual(yield* stages, { PROCESSED: 5 })
        const again = yield* pulse("prune", "--older-than", "7")
        assert.match(again.output, /^Removed .*: 0 orders with 0 slices/)
        const actions = yield* pulse("actions")
        assert.match(actions.output, /prune +– +no reason given +.*orders 1.*slices 5/)

        const verify = (...args: ReadonlyArray<string>) => pulse("audit", "verify", ...args)
        const sealed = yield* eventually(
          "all is sealed",
          verify("--json"),
          ({ output }) => !/"unsealed": [1-9]/.test(output)
        )
        assert.strictEqual(sealed.code, 0, sealed.output)
        const { head, tables } = JSON.parse(sealed.output)
        assert.deepInclude(tables[2], { table: "broker_calls", pruned: 5 })
        const same = yield* verify("--head", head)
        assert.strictEqual(same.code, 0, same.output)
        assert.match(same.output, /^Nothing was changed, removed or inserted, and seal \d+ is the one given$/m)
        yield* withoutTriggers(sql`UPDATE operator_actions SET operator = 'nobody' WHERE action = 'prune'`)
        const changed = yield* verify()
        assert.strictEqual(changed.code, 1)
        assert.match(changed.output, /^operator_actions +1 +changed +\d+$/m)
        assert.match(changed.output, /^1 row of the audit is not as sealed$/m)
        assert.match(
          (yield* verify("--head", "12")).output,
          /NUMBER:HASH, as audit verify and the daemons' logs show it/
        )
      }).pipe(Effect.scoped)
    )
  )
})
