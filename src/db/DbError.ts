import { Schema } from "effect"

/** A database statement failed. `isTransient` says whether the same statement may succeed later. */
export class DbError extends Schema.TaggedError<DbError>()("DbError", {
  operation: Schema.String,
  message: Schema.String,
  isTransient: Schema.Boolean,
  /** PostgreSQL's SQLSTATE, where the server gave one. */
  sqlState: Schema.NullOr(Schema.String)
}) {
  /**
   * Whether any other statement would fare the same: the database is away, or it is not what this version expects (access,
   * names of databases, schemas, tables and columns). Otherwise it is the data that is at fault.
   */
  get isGeneral(): boolean {
    return this.isTransient || (this.sqlState !== null && /^(28|3D|3F|42)/.test(this.sqlState))
  }
}
