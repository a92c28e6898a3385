import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packageName } from "../src/db/embedded/Binaries.ts"

/*
 * Runs tests on another version of PostgreSQL: installs the newest npm package of that major version into a temporary folder, and
 * lets test/support start its server instead of the one of package-lock.json.
 *   npm run test:postgres -- 15                     the migrations, the database layer and the stores
 *   npm run test:postgres -- 17 test/workers        other tests
 */
const [major, ...filters] = process.argv.slice(2)

const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

/** Runs a program with this process's standard error; its output. */
const output = (program: string, args: ReadonlyArray<string>): string => {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  return status === 0 ? stdout : fail(`${program} ${args.join(" ")} failed`)
}

if (major === undefined || !/^\d+$/.test(major)) fail("Name a major version of PostgreSQL, such as 15")
const versions: unknown = JSON.parse(output("npm", ["view", packageName, "versions", "--json"]))
const version = (Array.isArray(versions) ? versions : [versions])
  .filter((each) => typeof each === "string")
  .findLast((each) => each.startsWith(`${major}.`))
if (version === undefined) fail(`There is no version ${major} of ${packageName}`)

const folder = mkdtempSync(join(tmpdir(), "pulse-postgres-"))
let status: number | null = 1
try {
  console.log(`${packageName} ${version}`)
  output("npm", ["install", "--silent", "--no-save", "--prefix", folder, `${packageName}@${version}`])
  const wanted = filters.length > 0 ? filters : ["test/db", "test/stores"]
  status = spawnSync("npx", ["vitest", "run", ...wanted], {
    stdio: "inherit",
    env: { ...process.env, TEST_POSTGRES_PACKAGE: join(folder, "node_modules", packageName) }
  }).status
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(status ?? 1)
