/** Whose password is looked for. */
export interface PasswordQuestion {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** The folders that clients of PostgreSQL and of Debian are built with. A password file names them `localhost`. */
const usualSocketFolders = new Set(["/tmp", "/var/run/postgresql"])

/**
 * The first password that fits in the text of a `.pgpass` file, whose lines are `host:port:database:user:password`. A field
 * `*` fits everything, and a backslash escapes `:` and `\`. Null: none fits.
 */
export const findPassword = (text: string, { host, port, database, user }: PasswordQuestion): string | null => {
  const hosts = usualSocketFolders.has(host) ? [host, "localhost"] : [host]
  const wanted = [hosts, [String(port)], [database], [user]]
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue
    const fields = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/.exec(line)?.slice(1)
    if (fields === undefined) continue
    const fits = wanted.every(
      (values, index) => fields[index] === "*" || values.includes(unescaped(fields[index] ?? ""))
    )
    // libpq ends a password at a colon that is not escaped, and takes a backslash at the end of the line as it is.
    if (fits) return unescaped(/^(?:\\.|[^:\\]|\\$)*/.exec(fields[4] ?? "")?.[0] ?? "")
  }
  return null
}

const unescaped = (field: string): string => field.replaceAll(/\\(.)/g, "$1")
