import { Effect } from "effect"
import { readFile } from "./readTextFile.ts"

/** The variable that names a file with the secret, as Docker and Kubernetes mount them: `DATABASE_URL_FILE`. */
export const fileVariable = (name: string): string => `${name}_FILE`

const maxBytes = 65_536

export interface SecretText {
  readonly text: string
  /** Every account of this host may read the file. */
  readonly isReadable: boolean
}

/**
 * The secret in a file, without the line break at its end. Fails with words that complete "FILE …" if there is none, or if every
 * account of this host may write it and so choose the secret. Files of root that a process of another account reads count as
 * mounted, with rights that nobody here can change.
 */
export const readSecretFile = (path: string): Effect.Effect<SecretText, string> =>
  Effect.flatMap(readFile(path, maxBytes), ({ mode, text, uid }) => {
    const secret = text.trim()
    if (secret === "") return Effect.fail("is empty")
    const hasRights = process.platform !== "win32"
    if (hasRights && (mode & 0o002) !== 0) return Effect.fail("may be written by every account: chmod 600 it")
    const isMounted = uid === 0 && process.getuid?.() !== 0
    return Effect.succeed({ text: secret, isReadable: hasRights && !isMounted && (mode & 0o004) !== 0 })
  })
