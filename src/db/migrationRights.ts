import { Effect, Schema } from "effect"
import type { Db } from "./Db.ts"
import { MigrationFailed } from "./MigrationFailed.ts"

const Rights = Schema.Struct({
  user: Schema.String,
  schema: Schema.NullOr(Schema.String),
  mayCreate: Schema.NullOr(Schema.Boolean),
  /** Who owns the service's tables, if there are any. */
  owner: Schema.NullOr(Schema.String),
  isOwner: Schema.Boolean,
  searchPath: Schema.String
})

/** Made by deploy/postgres/roles.sql, owned by the role that it makes the owner. */
const grantFunction = "grant_pulse_background_rights"

/** Fails with what to type when this role cannot apply migrations. Inside a migration, a later error would hide that one. */
export const requireRights = Effect.fnUntraced(function* (
  { sql, queryOne }: Db["Service"],
  pending: ReadonlyArray<string>
) {
  const { isOwner, mayCreate, owner, schema, searchPath, user } = yield* queryOne(
    "Migrations.rights",
    Rights,
    sql`
      SELECT quote_ident(current_user) AS user, quote_ident(current_schema()) AS schema,
        has_schema_privilege(current_schema(), 'CREATE') AS may_create, current_setting('search_path') AS search_path,
        quote_ident(o.owner) AS owner, o.owner IS NULL OR (CASE WHEN is_strict THEN o.owner = current_user
          ELSE pg_has_role(o.owner, 'USAGE') END) AS is_owner
      FROM (SELECT 1) one LEFT JOIN (
        SELECT pg_get_userbyid(proowner) AS owner, true AS is_strict FROM pg_proc
        WHERE proname = ${grantFunction} AND pronamespace = quote_ident(current_schema())::regnamespace
        UNION ALL SELECT pg_get_userbyid(relowner), false FROM pg_class
        WHERE relname IN ('pulse_background_migrations', 'orders') AND relkind = 'r'
          AND relnamespace = quote_ident(current_schema())::regnamespace AND NOT pg_has_role(relowner, 'USAGE')
        ORDER BY is_strict DESC LIMIT 1
      ) o ON true`
  )
  if (schema === null) {
    return yield* new MigrationFailed({
      message:
        `No schema of the search path (${searchPath}) exists, or ${user} may not use it. Nothing was changed. As the ` +
        `database's owner: CREATE SCHEMA name AUTHORIZATION ${user}; or GRANT USAGE, CREATE ON SCHEMA name TO ${user};`
    })
  }
  if (!isOwner) {
    return yield* new MigrationFailed({
      message:
        `${some(pending)} to be applied, and ${user} does not own the service's tables. Nothing was changed. Apply as ` +
        `${owner}, by DATABASE_URL with that user: node dist/main.js migrate`
    })
  }
  if (mayCreate !== true) {
    return yield* new MigrationFailed({
      message:
        `permission denied for schema ${schema}: the service keeps its tables there. Nothing was changed. As the ` +
        `database's owner: GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${user};`
    })
  }
})

const some = (pending: ReadonlyArray<string>): string =>
  pending.length === 1 ? `${pending[0]} is` : `${pending[0]} and ${pending.length - 1} more migrations are`

/** The roles get their rights to what a migration has made with the migration itself, where roles.sql has made them. */
export const grantRights = `
  DO $grant$ BEGIN
    IF EXISTS (SELECT FROM pg_proc WHERE proname = '${grantFunction}'
        AND pronamespace = quote_ident(current_schema())::regnamespace AND proowner = quote_ident(current_user)::regrole) THEN
      PERFORM ${grantFunction}();
    END IF;
  END $grant$`
