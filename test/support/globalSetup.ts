import { Effect, Exit, Redacted, Scope } from "effect"
import { access, chmod, constants, mkdtemp, rm, statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { useServer } from "../../src/db/EmbeddedPostgres.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The one PostgreSQL of the test run. `database` is empty: make a database for each test file. */
    readonly postgres: {
      readonly host: string
      readonly port: number
      readonly username: string
      readonly password: string
      readonly database: string
    }
  }
}

/** Settings for speed instead of durability: no data outlive the test run. */
const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: 300
}

const memoryFolder = "/dev/shm"
const neededBytes = 1024 ** 3

/**
 * Where the databases are kept: in memory, on a system with a large file system there. On ext4 each of the hundreds of files of a
 * new database costs a look at every file that was deleted in the last minutes, and each test deletes a database.
 */
const folderForData = async (): Promise<string> => {
  try {
    await access(memoryFolder, constants.W_OK)
    const { bavail, bsize } = await statfs(memoryFolder)
    return bavail * bsize >= neededBytes ? memoryFolder : tmpdir()
  } catch {
    return tmpdir()
  }
}

/** A new folder that other accounts can enter: as root, PostgreSQL runs under another one. */
const makeFolder = async (parent: string): Promise<string> => {
  const folder = await mkdtemp(join(parent, "pulse-tests-"))
  await chmod(folder, 0o755)
  return folder
}

/** Starts one PostgreSQL in a temporary folder for the whole test run; returns its stop, which vitest calls at the end. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await makeFolder(await folderForData())
  // Programs may not be executable in memory.
  const systemFolder = await makeFolder(tmpdir())
  const scope = Scope.makeUnsafe()
  const stop = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await rm(folder, { recursive: true, force: true })
    await rm(systemFolder, { recursive: true, force: true })
  }
  try {
    const { host, port, username, password, database } = await Effect.runPromise(
      useServer({ folder, systemFolder, settings }).pipe(Scope.provide(scope))
    )
    project.provide("postgres", { host, port, username, password: Redacted.value(password), database })
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
