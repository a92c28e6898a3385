import { assert, describe, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { Db } from "../../src/db/Db.ts"
import { CredentialStore } from "../../src/stores/account/CredentialStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { OperatorActionStore } from "../../src/stores/operations/OperatorActionStore.ts"
import { PlanStore } from "../../src/stores/orders/PlanStore.ts"
import { configuration, testDatabase } from "../support/database.ts"
import { asked } from "../support/service.ts"

const stores = Layer.mergeAll(HaltStore.layer, PlanStore.layer, CredentialStore.layer, OperatorActionStore.layer).pipe(
  Layer.provideMerge(testDatabase),
  Layer.provide(configuration())
)

describe("operator_actions", () => {
  layer(stores, { excludeTestServices: true })((it) => {
    it.effect("has a row for every change, with the command, and never a secret", () =>
      Effect.gen(function* () {
        const now = yield* DateTime.now
        const halts = yield* HaltStore
        const plans = yield* PlanStore
        const halt = { requestedBy: "me", requestedAt: now }
        yield* halts.request({ ...halt, isHalted: true, reason: "fat finger" })
        yield* halts.request({ ...halt, isHalted: false, reason: "sorted out" })
        yield* plans.setVolumeProfile({ instrument: "NSE:INFY", volumes: [3, 1] }, asked, now)
        assert.isTrue(yield* plans.removeVolumeProfile("NSE:INFY", asked, now))
        assert.isFalse(yield* plans.removeVolumeProfile("NSE:INFY", asked, now))
        const token = { accessToken: "very-secret", setAt: now, userId: "AB1234" }
        yield* (yield* CredentialStore).set("zerodha", token, { ...asked, with: "zerodha login" })
        const actions = yield* (yield* OperatorActionStore).list(null, 100)
        assert.deepStrictEqual(
          actions.map(({ action, operator, reason, details }) => [action, operator, reason, details]),
          [
            ["zerodha login", "tester", "a reason", { broker: "zerodha", user_id: "AB1234" }],
            ["profile remove", "tester", "a reason", { instrument: "NSE:INFY", volumes: [3, 1] }],
            ["profile set", "tester", "a reason", { instrument: "NSE:INFY", volumes: [3, 1] }],
            ["resume", "me", "sorted out", {}],
            ["halt", "me", "fat finger", {}]
          ]
        )
        assert.notInclude(JSON.stringify(actions), "very-secret")
      })
    )

    for (const statement of [
      "UPDATE operator_actions SET operator = 'nobody'",
      "DELETE FROM operator_actions",
      "TRUNCATE operator_actions"
    ]) {
      it.effect(`refuses: ${statement}`, () =>
        Effect.gen(function* () {
          const { sql, execute } = yield* Db
          const error = yield* Effect.flip(execute("test.change", sql.unsafe(statement)))
          assert.include(error.message, "operator_actions is append-only")
        })
      )
    }
  })
})
