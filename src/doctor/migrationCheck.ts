import { type Check, ok, problem, pulse, warning } from "./Check.ts"

export interface Migrations {
  /** Of this version, and not applied. */
  readonly missing: ReadonlyArray<string>
  /** Applied, and not known to this version. */
  readonly unknown: ReadonlyArray<string>
  readonly applied: number
}

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
