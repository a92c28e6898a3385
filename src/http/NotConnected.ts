import { Schema } from "effect"

/**
 * No connection came about, so nothing of the request was sent: a request gets its connection only when that is ready. The
 * message says why, and completes "could not be reached: …".
 */
export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", { message: Schema.String }) {}

export const closedAtOnce = () => new NotConnected({ message: "the connection was closed before it was ready" })

/** The words of an error of Node.js. One of several addresses has none of its own, but a code. */
export const wordsOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "no reason was given"
  return error.message !== "" ? error.message : (codeOf(error) ?? "no reason was given")
}

export const codeOf = (error: Error): string | null =>
  "code" in error && typeof error.code === "string" ? error.code : null
