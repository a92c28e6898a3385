import { assert, it } from "@effect/vitest"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { toDbError } from "../../src/db/toDbError.ts"

const errorOf = (cause: unknown) =>
  toDbError(
    "connect",
    new SqlError({ reason: new ConnectionError({ cause, message: "Failed", operation: "connect" }) })
  )

it("names each address of a host that cannot be reached", () => {
  // What Node.js gives for a name with several addresses.
  const refused = ["::1", "127.0.0.1"].map((address) => new Error(`connect ECONNREFUSED ${address}:5432`))
  assert.strictEqual(
    errorOf(new AggregateError(refused)).message,
    "connect: connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432"
  )
})

it("always says something", () => {
  assert.strictEqual(errorOf(new Error("")).message, "connect: Failed")
  assert.strictEqual(errorOf("no error").message, "connect: Failed")
})
