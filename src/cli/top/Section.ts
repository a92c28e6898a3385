import type { Span } from "../terminal/styledLine.ts"
import type { Column } from "../terminal/table.ts"

export interface Row {
  /** What the row is known by, for as long as it is shown. */
  readonly key: string
  /** One for each column. */
  readonly cells: ReadonlyArray<Span>
  /** What its cells may have no room for; empty when there is nothing. */
  readonly detail: string
  /** What can be done about it: arguments of the command line. */
  readonly commands: ReadonlyArray<string>
}

/** A list of like things, whose title is that of its first column. */
export interface Section {
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}
