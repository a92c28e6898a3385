import { fit, type Line, type Span, span, widthOf } from "../terminal/text.ts"

export interface Column {
  readonly title: string
  /** Which columns are left out first when there is no room for all: those with the highest number. */
  readonly rank: number
  readonly align?: "right"
  /** Takes whatever room is left, and is cut. */
  readonly isElastic?: true
}

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

const gap = "  "
const minElastic = 12
const none: Span = span("")

interface Fitted {
  readonly index: number
  readonly column: Column
  readonly width: number
}

/** The columns that have room beside each other, and how wide each is. Elastic ones that are empty are left out. */
export const fitColumns = ({ columns, rows }: Section, cells: number): ReadonlyArray<Fitted> => {
  const textsOf = (index: number) => rows.map((row) => (row.cells[index] ?? none).text)
  let fitted = columns.flatMap((column, index): ReadonlyArray<Fitted> => {
    const widths = textsOf(index).map(widthOf)
    const isEmpty = column.isElastic === true && widths.every((width) => width === 0)
    return isEmpty ? [] : [{ index, column, width: Math.max(widthOf(column.title), ...widths) }]
  })
  const needed = ({ column, width }: Fitted) => (column.isElastic === true ? Math.min(width, minElastic) : width)
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

const lineOf = (fitted: ReadonlyArray<Fitted>, cells: ReadonlyArray<Span>): Line =>
  fitted.flatMap(({ index, column, width }, position) => {
    const { text, style } = cells[index] ?? none
    return [...(position === 0 ? [] : [span(gap)]), { text: fit(text, width, column.align), style }]
  })

/** The titles, then the given rows, all in these columns. */
export const sectionLines = (
  section: Section,
  shown: ReadonlyArray<Row>,
  fitted: ReadonlyArray<Fitted>
): { readonly title: Line; readonly rows: ReadonlyArray<Line> } => ({
  title: lineOf(
    fitted,
    section.columns.map(({ title }) => span(title, "bold"))
  ),
  rows: shown.map(({ cells }) => lineOf(fitted, cells))
})
