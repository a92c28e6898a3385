import { Effect } from "effect"
import { createHash } from "node:crypto"
import { mkdir, readFile, realpath, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { makeReadableFolder } from "./Binaries.ts"
import { attempt, type EmbeddedPostgresError, failWith, unlessMissing } from "./Failure.ts"
import { type Account, run } from "./Processes.ts"

/** Where the data of a configured folder are kept, and the account that PostgreSQL runs as. */
export interface Place {
  /** The service's files: the password, the log, the users of the server. */
  readonly folder: string
  /** PostgreSQL's data, inside `folder`. */
  readonly dataFolder: string
  /** Undefined: the account of this process. */
  readonly account: Account | undefined
}

/**
 * The place for a configured folder, the same in every process. PostgreSQL refuses to run as root, so for root the data belong
 * to an account without privileges; where that account cannot reach the folder, they are in `<systemFolder>/data/<hash>`.
 */
export const findPlace = (
  configuredFolder: string,
  systemFolder: string
): Effect.Effect<Place, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const configured = resolve(configuredFolder)
    if (process.getuid?.() !== 0) return placeIn(yield* makeFolder(configured), undefined)

    const hash = createHash("sha256").update(configured).digest("hex").slice(0, 16)
    const reachable = join(systemFolder, "data", hash)
    const ownerOfReachable = yield* ownerOf(join(reachable, "data"))
    // Data stay there even when the configured folder becomes reachable later.
    if (ownerOfReachable !== undefined) {
      return placeIn(yield* makeFolder(reachable), yield* accountOf(ownerOfReachable))
    }

    const folder = yield* makeFolder(configured)
    const ownerOfData = yield* ownerOf(join(folder, "data"))
    const account =
      ownerOfData === undefined ? yield* accountForNew(yield* ownerOf(folder)) : yield* accountOf(ownerOfData)
    if (yield* canEnter(folder, account)) return placeIn(folder, account)
    if (ownerOfData !== undefined) {
      return yield* failWith(
        `The data in ${folder} are there, but ${account.name}, the account PostgreSQL runs as, cannot reach them. ` +
          "Give it the right to enter every folder of that path (chmod o+x), or move the data."
      )
    }
    yield* attempt(`make the folder ${reachable}`, () => makeReadableFolder(reachable))
    yield* Effect.logInfo(
      `PostgreSQL runs as ${account.name}, which cannot reach ${folder}: its data are in ${reachable}`
    )
    return placeIn(reachable, account)
  })

const placeIn = (folder: string, account: Account | undefined): Place => ({
  folder,
  dataFolder: join(folder, "data"),
  account
})

/** Creates a missing folder. Returns its path without symlinks, because a server is identified by its data folder's path. */
const makeFolder = (folder: string): Effect.Effect<string, EmbeddedPostgresError> =>
  attempt(`use the folder ${folder}`, async () => {
    await mkdir(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o755 : 0o700 })
    return realpath(folder)
  })

const ownerOf = (path: string) =>
  attempt(`use the folder ${path}`, () =>
    unlessMissing(
      stat(path).then(({ uid, gid }) => ({ uid, gid })),
      undefined
    )
  )

/** Tried, not computed from the modes, because access lists and security modules count too. */
const canEnter = (folder: string, account: Account): Effect.Effect<boolean> =>
  Effect.map(run("/bin/sh", ["-c", 'cd -- "$1"', "sh", folder], { account }), ({ exitCode }) => exitCode === 0)

interface Owner {
  readonly uid: number
  readonly gid: number
}

const readAccounts = attempt("read /etc/passwd", async () => parseAccounts(await readFile("/etc/passwd", "utf8")))

/** The account that owns data: PostgreSQL accepts no other. */
const accountOf = (owner: Owner): Effect.Effect<Account, EmbeddedPostgresError> =>
  owner.uid === 0
    ? accountForNew(undefined)
    : Effect.map(
        readAccounts,
        (accounts) => accounts.find(({ uid }) => uid === owner.uid) ?? { name: `account ${owner.uid}`, ...owner }
      )

/** For new data: the account that owns the folder, or, when that is root or has no name, `postgres`, then `nobody`. */
const accountForNew = (folderOwner: Owner | undefined): Effect.Effect<Account, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const accounts = yield* readAccounts
    const wanted = [
      ...accounts.filter(({ uid }) => uid === folderOwner?.uid),
      ...accounts.filter(({ name }) => name === "postgres"),
      ...accounts.filter(({ name }) => name === "nobody")
    ]
    return (
      wanted.find(({ uid }) => uid !== 0) ??
      (yield* failWith(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as. " +
          "Add one (useradd --system postgres), run as an ordinary user, or set DATABASE_URL."
      ))
    )
  })

const parseAccounts = (passwd: string): ReadonlyArray<Account> =>
  passwd.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":")
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : []
  })
