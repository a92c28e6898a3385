import { DateTime } from "effect"
import { type Check, ok, problem, warning } from "./Check.ts"

/** The size and the vacuum state of one of the service's tables. */
export interface TableFacts {
  readonly name: string
  readonly liveRows: number
  readonly deadRows: number
  readonly bytes: number
  readonly vacuumedAt: DateTime.Utc | null
}

const fewDeadRows = 20_000

/** A WARNING for tables with more dead rows than live ones, or when autovacuum is off. */
export const bloatCheck = (tables: ReadonlyArray<TableFacts>, autovacuum: string): Check => {
  const name = "tables"
  const bloated = tables.filter(({ liveRows, deadRows }) => deadRows > fewDeadRows && deadRows > liveRows)
  if (bloated.length > 0) {
    const found = bloated.map(
      ({ name, deadRows, liveRows, vacuumedAt }) =>
        `${name} has ${deadRows} dead rows to ${liveRows} live ones, vacuumed ${vacuumedAt === null ? "never" : DateTime.formatIso(vacuumedAt)}`
    )
    return warning(name, found.join("; "), `psql: VACUUM (ANALYZE) ${bloated.map((table) => table.name).join(", ")};`)
  }
  if (autovacuum === "off") {
    return warning(
      name,
      "autovacuum is off: they grow for ever",
      "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();"
    )
  }
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  return ok(name, `${megabytes(bytes)}, not bloated`)
}

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(0)} MB`

const littleSpace = 2_000_000_000
const noSpace = 200_000_000

/** The disk of the service's own PostgreSQL. `free` is in bytes. */
export const diskCheck = (folder: string, free: number): Check => {
  const found = `${megabytes(free)} free for the database in ${folder}`
  if (free >= littleSpace) return ok("disk", found)
  const todo = "Free some space, or move the folder and set EMBEDDED_POSTGRES_FOLDER: a full disk stops every write"
  return free < noSpace ? problem("disk", found, todo) : warning("disk", found, todo)
}
