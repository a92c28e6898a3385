import { type Line, plain, type Span, span } from "./styledLine.ts"
import { type Align, fit, widthOf } from "./text.ts"

// The one renderer of rows, for everything that commands list and for the sections of `top`. Cells are spans, so their
// texts are safe, and columns line up by the cells of a terminal.

export interface Column {
  readonly title: string
  /** Where room is short, columns with the highest rank are left out first. */
  readonly rank: number
  readonly align?: Align
  /** Takes the room that is left, and is cut to it. */
  readonly isElastic?: true
  /** The most cells that it takes; a third of the room if left out. One long cell must not hide the other columns. */
  readonly maxWidth?: number
}

/** A column that is shown, with its width in cells. `index` is its position in a row. */
export interface FittedColumn {
  readonly index: number
  readonly column: Column
  readonly width: number
}

const gap = "  "
const minElastic = 12
const minThird = 24
/** The most cells of a column of a list; its last column has as many as its texts. */
const maxListed = 200
const none: Span = span("")

/** The columns that fit into so many cells, and their widths. Empty elastic columns are left out. */
export const fitColumns = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<Span>>,
  cells: number
): ReadonlyArray<FittedColumn> => {
  let fitted = columns.flatMap((column, index): ReadonlyArray<FittedColumn> => {
    const widest = rows.reduce((width, row) => Math.max(width, widthOf((row[index] ?? none).text)), 0)
    const isEmpty = column.isElastic === true && widest === 0
    const most = column.isElastic === true ? Infinity : (column.maxWidth ?? Math.max(minThird, Math.floor(cells / 3)))
    return isEmpty ? [] : [{ index, column, width: Math.max(widthOf(column.title), Math.min(widest, most)) }]
  })
  const needed = ({ column, width }: FittedColumn) => (column.isElastic === true ? Math.min(width, minElastic) : width)
  const total = () => fitted.reduce((sum, each) => sum + needed(each), (fitted.length - 1) * gap.length)
  while (fitted.length > 1 && total() > cells) {
    const last = Math.max(...fitted.map(({ column }) => column.rank))
    fitted = fitted.filter(({ column }) => column.rank !== last)
  }
  const left = cells - total()
  return fitted.map((each) =>
    each.column.isElastic === true ? { ...each, width: Math.min(each.width, needed(each) + Math.max(0, left)) } : each
  )
}

/** One row as a line. `row` has one span for each column, shown or not. */
export const rowLine = (fitted: ReadonlyArray<FittedColumn>, row: ReadonlyArray<Span>): Line =>
  fitted.flatMap(({ index, column, width }, position) => {
    const { text, style } = row[index] ?? none
    return [...(position === 0 ? [] : [span(gap)]), { text: fit(text, width, column.align), style }]
  })

/**
 * A table as lines: the header, then one line for each row. Each column is as wide as its widest cell; columns of
 * numbers are aligned to the right.
 */
export const table = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const columns = header.map((title, index): Column => {
    const isNumeric = rows.every((row) => /^[\d,.\-–+ms% ]*$/.test(row[index] ?? ""))
    const maxWidth = index === header.length - 1 ? Infinity : maxListed
    return { title, rank: 0, align: isNumeric ? "right" : "left", maxWidth }
  })
  const cells = rows.map((row) => row.map((text) => span(text)))
  const fitted = fitColumns(columns, cells, Infinity)
  return [header.map((title) => span(title)), ...cells].map((row) => plain(rowLine(fitted, row)))
}
