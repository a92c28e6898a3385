/** What an answer to an order request means for the order. */
export interface Meaning {
  readonly meaning: "taken" | "BrokerRefused" | "BrokerTryLater" | "BrokerCredentialsInvalid" | "BrokerOutcomeUnknown"
  readonly why: string
  readonly orderId?: string
}

/** The exceptions with which Kite refuses an order, and the statuses of such a refusal. */
const refusing: Readonly<Record<string, ReadonlyArray<number>>> = {
  InputException: [400],
  MarginException: [400, 428],
  HoldingException: [400, 428],
  OrderException: [400, 428],
  PermissionException: [403],
  UserException: [403]
}

/**
 * What Kite's documents say that an answer means. Only an answer that says so in full is more than unknown, because an
 * order that is taken for refused, and is there, would be placed twice.
 */
export const meaningOf = (status: number, body: string): Meaning => {
  const said = parsed(body)
  if (status === 200) {
    const id = said?.["status"] === "success" ? field(said["data"], "order_id") : undefined
    return typeof id === "string" &&
      id.length <= 32 &&
      [...id].every((digit) => "0123456789".includes(digit)) &&
      id !== ""
      ? { meaning: "taken", why: "200 with an order id of digits", orderId: id }
      : { meaning: "BrokerOutcomeUnknown", why: "200 without an order id of digits" }
  }
  const isFailure =
    said?.["status"] === "error" && typeof said["message"] === "string" && typeof said["error_type"] === "string"
  const message = isFailure ? String(said["message"]).toLowerCase() : ""
  const exception = isFailure ? String(said["error_type"]) : ""
  if (isFailure && status >= 400 && status < 500 && message.includes("maximum allowed order requests")) {
    return { meaning: "BrokerTryLater", why: "the daily cap" }
  }
  if (status === 429) return { meaning: "BrokerTryLater", why: "429 is never looked at" }
  if (status === 401) return { meaning: "BrokerCredentialsInvalid", why: "401 is never looked at" }
  if (!isFailure || status < 400 || status > 499) return { meaning: "BrokerOutcomeUnknown", why: "no refusal of Kite" }
  const isAboutAccount = ["MarginException", "HoldingException", "PermissionException", "UserException"].includes(
    exception
  )
  const asksToLook = message.includes("before placing again") && !isAboutAccount
  if (asksToLook || mayBePlaced.some((words) => message.includes(words)))
    return { meaning: "BrokerOutcomeUnknown", why: "it says that it may be placed" }
  if (status === 403 && exception === "TokenException") return { meaning: "BrokerCredentialsInvalid", why: "the token" }
  const isAboutAddress = message.split(/[^a-z0-9_]+/).some((word) => word === "ip" || word === "ips")
  if (status === 403 && (exception === "PermissionException" || exception === "UserException") && isAboutAddress) {
    return { meaning: "BrokerCredentialsInvalid", why: "the address" }
  }
  return Object.hasOwn(refusing, exception) && refusing[exception]?.includes(status) === true
    ? { meaning: "BrokerRefused", why: `${exception} with ${status}` }
    : { meaning: "BrokerOutcomeUnknown", why: `${status} with ${exception.slice(0, 40)} is no refusal of Kite` }
}

const mayBePlaced = [
  "timed out",
  "timeout",
  "time out",
  "could not be confirmed",
  "status is not known",
  "may have been placed"
]

const parsed = (body: string): Readonly<Record<string, unknown>> | null => {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
