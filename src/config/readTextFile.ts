import { Effect } from "effect"
import { constants } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"

/** The text of a file, with its permission bits and the account that it belongs to. */
export interface ReadFile {
  readonly text: string
  readonly mode: number
  readonly uid: number
}

/** Reads the text of a file as {@link readFile} does. */
export const readTextFile = (path: string, maxBytes: number): Effect.Effect<string, string> =>
  Effect.map(readFile(path, maxBytes), ({ text }) => text)

/**
 * Reads a text file of at most `maxBytes`. Fails with words that complete "FILE …". Folders, devices and pipes are refused
 * unread, because some of them never end.
 */
export const readFile = (path: string, maxBytes: number): Effect.Effect<ReadFile, string> =>
  Effect.acquireUseRelease(
    attempt(() => open(path, constants.O_RDONLY | nonBlocking)),
    (file) => readLimited(file, maxBytes),
    (file) => Effect.promise(() => file.close())
  )

/** Opening a pipe that nobody writes to would wait otherwise. Windows does not have it, nor such pipes. */
const nonBlocking = constants.O_NONBLOCK ?? 0

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, string> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => `cannot be read: ${error instanceof Error ? error.message : String(error)}`
  })

const readLimited = Effect.fnUntraced(function* (file: FileHandle, maxBytes: number) {
  const stat = yield* attempt(() => file.stat())
  if (!stat.isFile()) return yield* Effect.fail("must be a file, not a folder, a device or a pipe")
  const tooLong = `must have at most ${maxBytes} bytes`
  if (stat.size > maxBytes) return yield* Effect.fail(`${tooLong}, not ${stat.size}`)
  // The file may have grown since, or be one of those that do not know their size.
  const buffer = new Uint8Array(maxBytes + 1)
  let length = 0
  for (let read = -1; read !== 0 && length <= maxBytes; length += read) {
    const { bytesRead } = yield* attempt(() => file.read(buffer, length, buffer.length - length))
    read = bytesRead
  }
  if (length > maxBytes) return yield* Effect.fail(tooLong)
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length)),
    catch: () => "must be text in UTF-8"
  })
  return { text, mode: stat.mode, uid: stat.uid }
})
