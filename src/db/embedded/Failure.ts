import { Effect, Schema } from "effect"

/** The service's own PostgreSQL is not available. The message says why, and what to do. */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  message: Schema.String
}) {}

export const failWith = (message: string): Effect.Effect<never, EmbeddedPostgresError> =>
  Effect.fail(new EmbeddedPostgresError({ message }))

/** The `code` of a Node.js system error, such as ENOENT. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

/** Runs file operations. A failure becomes "cannot <what>: <reason>. <remedy>"; the default remedy depends on the reason. */
export const attempt = <A>(
  what: string,
  work: () => Promise<A>,
  remedy?: string
): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.tryPromise({
    try: work,
    catch: (error) =>
      new EmbeddedPostgresError({ message: `The service's own PostgreSQL cannot ${what}: ${why(error, remedy)}` })
  })

/** Returns `otherwise` instead of failing when the file does not exist. */
export const unlessMissing = <A, B>(work: Promise<A>, otherwise: B): Promise<A | B> =>
  work.catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return otherwise
    throw error
  })

const advice: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space on that disk and start again.",
  EDQUOT: "The disk quota is used up: free some space and start again.",
  EACCES: "Run as the account that owns it, or choose another folder with EMBEDDED_POSTGRES_FOLDER.",
  EPERM: "Run as the account that owns it, or choose another folder with EMBEDDED_POSTGRES_FOLDER.",
  ENOENT: "Check that its disk is there and writable, or choose another folder with EMBEDDED_POSTGRES_FOLDER.",
  EROFS: "Choose a folder on a writable disk with EMBEDDED_POSTGRES_FOLDER.",
  ENOTDIR: "A part of that path is a file: choose another folder with EMBEDDED_POSTGRES_FOLDER.",
  EEXIST: "A file is in the way: choose another folder with EMBEDDED_POSTGRES_FOLDER.",
  ENAMETOOLONG: "Choose a shorter folder with EMBEDDED_POSTGRES_FOLDER."
}

const why = (error: unknown, remedy: string | undefined): string => {
  const text = error instanceof Error ? error.message : String(error)
  const next = remedy ?? advice[codeOf(error) ?? ""]
  return next === undefined ? text : `${text}. ${next}`
}
