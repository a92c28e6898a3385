import { counted } from "../domain/text/plural.ts"
import { type Check, ok, problem, warning } from "./Check.ts"
import type { ServerFacts } from "./serverChecks.ts"

/** The settings that let a committed claim survive a crash or a failover. */
export const durabilityCheck = (server: ServerFacts): Check => {
  const name = "durability"
  const off = [
    ...(server.fsync === "off" ? ["fsync"] : []),
    ...(server.fullPageWrites === "off" ? ["full_page_writes"] : []),
    ...(server.synchronousCommit === "off" ? ["synchronous_commit"] : [])
  ]
  if (off.length > 0) {
    const settings = off.map((setting) => `ALTER SYSTEM SET ${setting} = on;`).join(" ")
    return problem(
      name,
      `${off.join(" and ")} off: a crash of the server can lose claims that were committed, and a slice be placed twice`,
      `As its administrator: ${settings} SELECT pg_reload_conf(); and see the settings of the database and the role`
    )
  }
  const waits = server.synchronousStandbyNames !== "" && server.synchronousCommit !== "local"
  return server.standbys > 0 && !waits
    ? warning(
        name,
        `${counted(server.standbys, "standby server")} that commits do not wait for: a failover can lose the last claims`,
        "Set synchronous_standby_names, or halt before a failover and settle after it"
      )
    : ok(name, "fsync, full_page_writes and synchronous_commit are on")
}
