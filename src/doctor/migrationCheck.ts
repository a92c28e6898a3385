import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** The migrations of the database, compared with those of this version. */
export interface Migrations {
  /** Migrations of this version that are not applied. */
  readonly missing: ReadonlyArray<string>
  /** Applied migrations that this version does not know. */
  readonly unknown: ReadonlyArray<string>
  readonly applied: number
}

/**
 * Missing migrations are a PROBLEM; unknown ones are a WARNING, because the database is then newer than this version.
 */
export const migrationCheck = ({ missing, unknown, applied }: Migrations, version: string): Check => {
  const name = "migrations"
  if (missing.length > 0 && unknown.length > 0) {
    return problem(
      name,
      `${some(missing)} missing, and ${some(unknown)} applied that version ${version} does not know`,
      "Two versions have parted: run the one that the daemons are"
    )
  }
  if (missing.length > 0) return problem(name, `${some(missing)} missing`, pulse("migrate"))
  return unknown.length > 0
    ? warning(
        name,
        `the database is newer than version ${version}: ${some(unknown)} applied`,
        "Use the version that the newest daemon has"
      )
    : ok(name, `all ${applied} are applied`)
}

const some = (names: ReadonlyArray<string>): string =>
  names.length <= 3 ? names.join(", ") : `${names[0]} and ${names.length - 1} others`
