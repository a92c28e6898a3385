import type { Configuration } from "../config/Configuration.ts"

export const dryRunMark = "(dry run)"

/**
 * Identifies a broker in the database: its type, its address, and whether it is a dry run. Slices that were sent to one broker
 * must not be looked up or sent again at another.
 */
export const brokerIdentity = ({
  brokerType,
  zerodhaUrl,
  dryRun
}: Pick<Configuration["Service"], "brokerType" | "zerodhaUrl" | "dryRun">): string =>
  [brokerType, ...(brokerType === "zerodha" ? [zerodhaUrl] : []), ...(dryRun ? [dryRunMark] : [])].join(" ")
