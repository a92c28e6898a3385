import type { HttpClientError } from "effect/http/HttpClientError"

/** Whether an HTTP answer was cut because it has more than `HttpIncomingMessage.MaxBodySize` bytes. */
export const isTooLong = ({ reason }: HttpClientError): boolean => {
  const cause = "cause" in reason ? reason.cause : undefined
  return cause instanceof Error && "_tag" in cause && cause._tag === "MaxBytesError"
}
