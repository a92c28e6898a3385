import { access, chmod, constants, mkdtemp, statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const memory = "/dev/shm"
const neededBytes = 1024 ** 3

/** The folder of an npm package with another PostgreSQL, which the tests run on then. `npm run test:postgres` sets it. */
export const testPackage = process.env.TEST_POSTGRES_PACKAGE

/**
 * Makes a folder for the data of a PostgreSQL: in memory, on a system with a large file system there. On ext4 each of the hundreds
 * of files of a new database costs a look at every file that was deleted in the last minutes, and each test deletes a database.
 */
export const makeDataFolder = async (): Promise<string> => makeFolderIn((await hasMemory()) ? memory : tmpdir())

/** Makes a folder for programs, which may not be executable in memory. */
export const makeSystemFolder = (): Promise<string> => makeFolderIn(tmpdir())

/** Other accounts can enter the folder: started by root, PostgreSQL runs under another one. */
const makeFolderIn = async (parent: string): Promise<string> => {
  const folder = await mkdtemp(join(parent, "pulse-tests-"))
  await chmod(folder, 0o755)
  return folder
}

const hasMemory = async (): Promise<boolean> => {
  try {
    await access(memory, constants.W_OK)
    const { bavail, bsize } = await statfs(memory)
    return bavail * bsize >= neededBytes
  } catch {
    return false
  }
}
