import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { AuditStore } from "../../src/stores/operations/AuditStore.ts"
import { actor, type Case } from "../harness/Case.ts"
import { allDue, at, unless } from "./world.ts"

const table = "operator_actions"

const act = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "interleavings.act",
    sql`INSERT INTO operator_actions (at, operator, action, reason, details) SELECT now(), 'tester', 'test', '', '{}' FROM generate_series(1, 3)`
  )
)

/** What a daemon finds to be sealed. */
const unsealed = Effect.gen(function* () {
  const store = yield* AuditStore
  const { hash, number, tables } = yield* store.progress
  const top = tables.find((one) => one.table === table)?.top ?? 0
  return { table, after: 0, last: top, top, limit: 10, head: { number, hash }, now: at(allDue) } as const
})

const twoSeal: Case = {
  name: "two daemons seal the same actions",
  prepare: Effect.gen(function* () {
    yield* act
    const batch = yield* unsealed
    return () => {
      const daemons = ["a", "b"].map((name) =>
        actor(
          `daemon ${name}`,
          Effect.flatMap(AuditStore, (store) => store.seal(batch)),
          { neverWaits: true }
        )
      )
      return {
        actors: daemons,
        problems: Effect.gen(function* () {
          const { sql } = yield* Db
          const seals = yield* sql`SELECT FROM audit_seals`
          const sealed = daemons.filter(({ result }) => result?.isNext === true).length
          return [
            ...unless(seals.length === 1, `${seals.length} seals were written`),
            ...unless(sealed === 1, `${sealed} daemons sealed, and ${daemons.length - sealed} did not`)
          ]
        })
      }
    }
  })
}

export const auditCases: ReadonlyArray<Case> = [twoSeal]
