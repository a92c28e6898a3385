import { assert, it } from "@effect/vitest"
import { findPassword } from "../../src/config/passwordFile.ts"

const file = String.raw`# a comment
h:5432:db:ann:first
h:*:*:bob:sec\:ret\\x
*:*:*:carl:ends:here
\:\:1:1:d:ann:v6
broken
s:1:d:eve:back\slash\\\
localhost:5432:d:pat:by socket
*:5432:db:*:any
`

const rows: ReadonlyArray<
  readonly [host: string, port: number, database: string, user: string, password: string | null]
> = [
  ["h", 5432, "db", "ann", "first"],
  ["h", 1, "other", "bob", "sec:ret\\x"],
  ["x", 1, "y", "carl", "ends"],
  ["::1", 1, "d", "ann", "v6"],
  ["x", 5432, "db", "zoe", "any"],
  ["x", 5433, "db", "zoe", null],
  ["s", 1, "d", "eve", "backslash\\\\"],
  ["/var/run/postgresql", 5432, "d", "pat", "by socket"],
  ["/tmp", 5432, "d", "pat", "by socket"],
  ["/other", 5432, "d", "pat", null]
]

for (const [host, port, database, user, password] of rows) {
  it(`finds ${password ?? "no password"} for ${user} at ${host}:${port}/${database}`, () => {
    assert.strictEqual(findPassword(file, { host, port, database, user }), password)
  })
}
