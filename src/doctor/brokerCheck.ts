import { type Check, ok, problem, pulse, warning } from "./Check.ts"

export interface BrokerFacts {
  /** The broker of this command's settings, as `brokerIdentity` names it. */
  readonly configured: string
  readonly isDryRun: boolean
  /** The broker that has this database's orders; null before the first daemon. */
  readonly inUse: string | null
  readonly account: string | null
}

/** A PROBLEM when this command's broker is not the one that has the database's orders; a WARNING in a dry run. */
export const brokerCheck = ({ configured, isDryRun, inUse, account }: BrokerFacts): Check => {
  const name = "broker"
  if (inUse !== null && inUse !== configured) {
    return problem(
      name,
      `the settings say ${configured}, but this database's orders are at ${inUse}`,
      `Set BROKER_TYPE, its address and DRY_RUN in this shell as the daemons have them, then: ${pulse("doctor")}`
    )
  }
  if (isDryRun)
    return warning(name, `${configured}: nothing is sent`, "Start the daemons without DRY_RUN to send orders")
  return ok(
    name,
    configured + (account === null ? "" : `, account ${account}`) + (configured === "mock" ? ": no real orders" : "")
  )
}
