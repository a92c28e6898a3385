import { Effect, Exit, Redacted, Scope } from "effect"
import { rm } from "node:fs/promises"
import type { TestProject } from "vitest/node"
import { useServer } from "../../src/db/EmbeddedPostgres.ts"
import { makeDataFolder, makeSystemFolder, testPackage } from "./folders.ts"

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

/** Starts one PostgreSQL in a temporary folder for the whole test run; returns its stop, which vitest calls at the end. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await makeDataFolder()
  const systemFolder = await makeSystemFolder()
  const scope = Scope.makeUnsafe()
  const stop = async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await rm(folder, { recursive: true, force: true })
    await rm(systemFolder, { recursive: true, force: true })
  }
  try {
    const { host, port, username, password, database } = await Effect.runPromise(
      useServer({ folder, systemFolder, settings, packageFolder: testPackage }).pipe(Scope.provide(scope))
    )
    project.provide("postgres", { host, port, username, password: Redacted.value(password), database })
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
