import { Context, Effect, Layer, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { texts } from "../../db/parameters.ts"

/** The service's tables. */
export const serviceTables: ReadonlyArray<string> = [
  "audit_head",
  "audit_prunings",
  "audit_seals",
  "broker_calls",
  "broker_credentials",
  "broker_differences",
  "broker_in_use",
  "calendar_imports",
  "double_placements",
  "instruments",
  "market_quotes",
  "mock_broker_orders",
  "notifications",
  "operator_actions",
  "order_budgets",
  "order_plans",
  "orders",
  "orphaned_tags",
  "placement_halts",
  "pulse_background_migrations",
  "quote_turn",
  "server_history",
  "slice_claims",
  "slice_plan",
  "slice_queue",
  "slice_results",
  "slice_working",
  "volume_profiles",
  "workers"
]

const Role = Schema.Struct({
  user: Schema.String,
  isSuperuser: Schema.Boolean,
  /** It may do what the owner of some of the service's tables may. */
  isOwner: Schema.Boolean,
  /** It may create tables in the schema. */
  mayCreate: Schema.Boolean,
  /** Tables of which it does not see rows that row-level security hides. */
  hidden: Schema.Array(Schema.String)
})

const OthersRight = Schema.Struct({
  /** As in SQL: PUBLIC, or a role's name. */
  role: Schema.String,
  /** A table, the schema, or a function; null for the membership in another role. */
  object: Schema.NullOr(Schema.String),
  rights: Schema.String
})

/** What roles may do in the database, for the command doctor. */
export class RightsStore extends Context.Service<
  RightsStore,
  {
    /** The role of this connection. */
    readonly role: Effect.Effect<typeof Role.Type, DbError>
    /**
     * Rights of other roles with which they could change what only the service writes, or read credentials; memberships, too.
     * Superusers, whoever may create roles, the owners of the tables and of the database, and the service of
     * deploy/postgres/roles.sql have theirs for good reason.
     */
    readonly ofOthers: Effect.Effect<ReadonlyArray<typeof OthersRight.Type>, DbError>
  }
>()("pulse-background/RightsStore") {
  static readonly layer: Layer.Layer<RightsStore, never, Db> = Layer.effect(
    RightsStore,
    Effect.gen(function* () {
      const { sql, query, queryOne } = yield* Db
      const here = sql`quote_ident(current_schema())::regnamespace`
      const ours = sql`c.relnamespace = ${here} AND c.relkind = 'r' AND c.relname = ANY(${texts([...serviceTables])})`
      /** Whether a role is the service of deploy/postgres/roles.sql. */
      const isService = (role: Fragment) => sql`EXISTS (
        SELECT FROM pg_proc WHERE proname = 'grant_pulse_background_rights' AND pronamespace = ${here}
          AND starts_with(pg_get_function_arguments(oid), format('service text DEFAULT %L::text', ${role})))`

      return RightsStore.of({
        role: queryOne(
          "RightsStore.role",
          Role,
          sql`
            SELECT quote_ident(current_user) AS user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
              EXISTS (SELECT FROM pg_class c WHERE ${ours} AND pg_has_role(c.relowner, 'USAGE')) AS is_owner,
              coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
              ARRAY(SELECT c.relname::text FROM pg_class c WHERE ${ours} AND row_security_active(c.oid) ORDER BY c.relname) AS hidden`
        ),

        ofOthers: query(
          "RightsStore.ofOthers",
          OthersRight,
          sql`
            WITH granted AS (
              SELECT x.grantee, c.relowner AS owner, c.relname, c.relname::text AS object, x.privilege_type AS privilege
              FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x WHERE ${ours}
              UNION SELECT x.grantee, c.relowner, c.relname, c.relname::text, x.privilege_type
              FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE ${ours}
            ), harmful AS (
              SELECT grantee, object, privilege FROM granted
              WHERE grantee <> owner AND (relname = 'broker_credentials'
                OR (privilege IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') AND NOT (relname = 'orders' AND privilege = 'INSERT')))
              UNION ALL SELECT 0, format('SCHEMA %I', nspname), x.privilege_type
              FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl) x
              WHERE nspname = current_schema() AND x.grantee = 0 AND x.privilege_type = 'CREATE'
              UNION ALL SELECT x.grantee, format('FUNCTION %I', proname), x.privilege_type
              FROM pg_proc CROSS JOIN LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) x
              WHERE pronamespace = ${here} AND proname IN ('prune_broker_calls', 'prune_broker_look_ups') AND x.grantee <> proowner
              UNION ALL SELECT m.member, NULL, quote_ident(g.rolname)
              FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
              WHERE NOT r.rolcreaterole AND NOT starts_with(r.rolname, 'pg_')
                AND r.oid NOT IN (SELECT owner FROM granted UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database())
                AND (g.rolname IN ('pg_read_all_data', 'pg_write_all_data', current_user) OR g.oid IN (SELECT owner FROM granted)
                  OR ${isService(sql.literal("g.rolname"))})
            )
            SELECT CASE WHEN h.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role, object,
              string_agg(DISTINCT privilege, ', ' ORDER BY privilege) AS rights
            FROM harmful h LEFT JOIN pg_roles r ON r.oid = h.grantee
            WHERE h.grantee = 0 OR (NOT r.rolsuper AND r.rolname <> current_user AND NOT ${isService(sql.literal("r.rolname"))})
            GROUP BY h.grantee, r.rolname, object ORDER BY 1, 2`
        )
      })
    })
  )
}
