import { Schema } from "effect"

/** A database statement failed. `isTransient`: the same statement may succeed later. */
export class DbError extends Schema.TaggedError<DbError>()("DbError", {
  operation: Schema.String,
  message: Schema.String,
  isTransient: Schema.Boolean,
  /** PostgreSQL's SQLSTATE, where the server gave one. */
  sqlState: Schema.NullOr(Schema.String)
}) {
  /**
   * Whether every other statement would fail too: the database is unavailable, or not what this version expects (access,
   * names of databases, schemas, tables and columns). Otherwise the statement's data are the cause.
   */
  get isGeneral(): boolean {
    return this.isTransient || (this.sqlState !== null && /^(28|3D|3F|42)/.test(this.sqlState))
  }
}
