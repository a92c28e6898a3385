import { Effect, Random } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Db } from "../../src/db/Db.ts"
import { asAdmin, freshDatabase, targetOf } from "./database.ts"

export const rolesFile = fileURLToPath(new URL("../../deploy/postgres/roles.sql", import.meta.url))

/** The names that the file takes as variables. */
export interface RoleNames {
  readonly schema: string
  readonly owner: string
  readonly service: string
  readonly api: string
  readonly reader: string
}

/** The file's statements as psql sends them, without its own commands and the transaction. */
const statementsOf = (names: RoleNames): ReadonlyArray<string> => {
  const variables: Readonly<Record<string, string>> = { ...names }
  const text = readFileSync(rolesFile, "utf8")
    .replaceAll(/^(?:\\|--| +\\).*$/gm, "")
    .replaceAll(/:(["'])(\w+)\1/g, (_, quote: string, name: string) => `${quote}${variables[name]}${quote}`)
  return (text.match(/(?:\$(\w+)\$[^]*?\$\1\$|[^;])+/g) ?? [])
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "" && statement !== "BEGIN" && statement !== "COMMIT")
}

/** Does what `psql -f deploy/postgres/roles.sql` does, without psql. */
export const applyRoles = (names: RoleNames) =>
  Effect.flatMap(Db, ({ sql, transaction }) =>
    transaction(
      "test.roles",
      Effect.forEach(statementsOf(names), (statement) => sql.unsafe(statement).unprepared, { discard: true })
    )
  )

/** A database, and names for four roles, which go after it; roles belong to the whole server. */
export const databaseForRoles = Effect.fnUntraced(function* (from: "migrated" | "empty", schema = "public") {
  const name = `r${(yield* Random.nextIntBetween(0, 36 ** 9)).toString(36)}`
  const names: RoleNames = {
    schema,
    owner: `${name}_owner`,
    service: `${name}_service`,
    api: `${name}_api`,
    reader: `${name}_reader`
  }
  const { api, owner, reader, service } = names
  yield* Effect.addFinalizer(() =>
    asAdmin((sql) =>
      Effect.forEach([service, api, reader, owner], (role) => sql.unsafe(`DROP ROLE IF EXISTS ${role}`), {
        discard: true
      })
    ).pipe(Effect.orDie)
  )
  return { names, database: yield* freshDatabase(from) }
})

/** DATABASE_URL of one of the server's databases for a role, which gets a password for it. */
export const urlAs = Effect.fnUntraced(function* (role: string, database: string, query = "") {
  yield* asAdmin((sql) => sql.unsafe(`ALTER ROLE ${role} PASSWORD 'secret'`))
  const { host, port } = targetOf(database)
  return `postgres://${role}:secret@${encodeURIComponent(host)}:${port}/${database}${query}`
})
