/** The values of a line of a CSV file, without the quotes around them; null if its quotes do not match. */
export const csvValues = (line: string): ReadonlyArray<string> | null => {
  if (!line.includes('"')) return line.split(",")
  if (!wellQuoted.test(line)) return null
  return [...line.matchAll(oneValue)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "")
}

const wellQuoted = /^(?:"(?:[^"]|"")*"|(?!")[^,]*)(?:,(?:"(?:[^"]|"")*"|(?!")[^,]*))*$/
const oneValue = /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g
