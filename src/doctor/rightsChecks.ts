import { type Check, ok, problem, warning } from "./Check.ts"

/** The service's role in the database. */
export interface RoleFacts {
  readonly user: string
  readonly isSuperuser: boolean
  /** It may do what the owner of some of the service's tables may. */
  readonly isOwner: boolean
  readonly mayCreate: boolean
  /** Tables of which row-level security hides rows from it. */
  readonly hidden: ReadonlyArray<string>
}

/** A right of another role: `role` and `object` as in SQL. Without an object it is a member of the role `rights`. */
export interface OthersRight {
  readonly role: string
  readonly object: string | null
  readonly rights: string
}

const rolesFile = "deploy/postgres/roles.sql"
const roles = `Make roles with ${rolesFile}, and let DATABASE_URL name the one of the service`

/** A WARNING when the role could undo what protects the audit. */
export const roleCheck = ({ isOwner, isSuperuser, mayCreate, user }: RoleFacts): Check => {
  if (isSuperuser)
    return warning("role", `${user} is a superuser: it may change all records, and read every database`, roles)
  if (isOwner)
    return warning("role", `${user} owns tables of the service: it may change records that are only added to`, roles)
  return mayCreate
    ? warning("role", `${user} may create tables, which the service itself never does`, roles)
    : ok("role", `${user} has no more rights than the service needs`)
}

/** Row-level security on a table of the service is a PROBLEM: whatever it hides would neither be placed nor followed. */
export const rowSecurityCheck = ({ hidden, user }: RoleFacts): Check => {
  const name = "row-level security"
  return hidden.length === 0
    ? ok(name, "no rows are hidden from the service")
    : problem(
        name,
        `statements on ${hidden.join(", ")} fail, because rows may be hidden from ${user}`,
        `ALTER TABLE ${hidden[0]} DISABLE ROW LEVEL SECURITY;${hidden.length === 1 ? "" : " and so on,"} or ALTER ROLE ${user} BYPASSRLS;`
      )
}

/** How many statements the advice has. */
const maxShown = 3

/** A WARNING when other roles may write what only the service writes, or read credentials. */
export const othersRightsCheck = (found: ReadonlyArray<OthersRight>): Check => {
  const name = "rights of others"
  if (found.length === 0) return ok(name, "no other role may write the service's tables, or read credentials")
  const who = [...new Set(found.map(({ role }) => role))].join(", ")
  const shown = found
    .slice(0, maxShown)
    .map(({ object, rights, role }) => `REVOKE ${rights}${object === null ? "" : ` ON ${object}`} FROM ${role};`)
    .join(" ")
  const rest = found.length > maxShown ? ` ${found.length - maxShown} more: run ${rolesFile}` : ""
  return warning(name, `${who} may write what only the service should, or read credentials`, `${shown}${rest}`)
}
