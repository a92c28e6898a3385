import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"

/**
 * ARCHITECTURE.md lists the rooms of the code: an import, a type's too, points to the same room or to one further up in
 * the list. The test reads the list from the page, so that page and code cannot differ.
 */
const root = new URL("../../", import.meta.url).pathname

const read = (path: string) => readFileSync(join(root, path), "utf8")

/** The rooms in the order of the page: folders, and the files that are directly in src. */
const rooms: ReadonlyArray<string> = (() => {
  const [, list = ""] = /^## Rooms$[^]*?^```\n([^]*?)^```$/m.exec(read("ARCHITECTURE.md")) ?? []
  return list.split("\n").flatMap((line) => {
    const [folder, ...names] = line.split(/\s+/)
    return folder === undefined ? [] : names.map((name) => normalize(join(folder, name)).replace(/\/$/, ""))
  })
})()

const roomOf = (file: string): string => (rooms.includes(file) ? file : dirname(file))

const sources: ReadonlyArray<string> = ["src", "simulation", "interleavings", "fuzz", "scripts", "bench"].flatMap(
  (folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
      .map((name) => join(folder, name))
)

/** The code without its comments, which may mention imports. */
const withoutComments = (code: string): string => code.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "")

/** Every module that the code names: `from`, `import` and `import()`, also of types, and files named by `new URL`. */
const namedModules = (code: string): ReadonlyArray<string> => {
  const plain = withoutComments(code)
  const imported = plain.matchAll(
    /(?:^(?:import|export)\b[^"'`;]*?\bfrom|^import|\bimport\s*\()\s*["'`]([^"'`]+)["'`]/gm
  )
  const files = plain.matchAll(/new URL\(\s*["'`](\.[^"'`]+\.[cm]?ts)["'`]/g)
  return [...imported, ...files].map(([, name = ""]) => name)
}

/** The project's files that a file imports: statically, for the side effect only, or dynamically. */
const importsOf = (file: string, code = read(file)): ReadonlyArray<string> =>
  namedModules(code)
    .filter((name) => name.startsWith("."))
    .map((name) => normalize(join(dirname(file), name)))

/** The imports of a file that point to a room further down in the list, or to none. */
const wrongImports = (file: string, code?: string): ReadonlyArray<string> =>
  importsOf(file, code).filter((imported) => {
    const [from, to] = [rooms.indexOf(roomOf(file)), rooms.indexOf(roomOf(imported))]
    return to === -1 || to > from
  })

/** The files on a circle of imports; empty when there is none. */
const circle = (imports: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> => {
  const done = new Set<string>()
  const visit = (file: string, path: ReadonlyArray<string>): ReadonlyArray<string> => {
    const start = path.indexOf(file)
    if (start !== -1) return [...path.slice(start), file]
    if (done.has(file)) return []
    for (const imported of imports.get(file) ?? []) {
      const found = visit(imported, [...path, file])
      if (found.length > 0) return found
    }
    done.add(file)
    return []
  }
  for (const file of imports.keys()) {
    const found = visit(file, [])
    if (found.length > 0) return found
  }
  return []
}

describe("the rooms of ARCHITECTURE.md", () => {
  it("are the folders that contain code, each listed once", () => {
    assert.isAbove(rooms.length, 40)
    assert.deepStrictEqual([...new Set(sources.map(roomOf))].toSorted(), rooms.toSorted())
  })

  it("have only imports that point up in the list", () => {
    for (const file of sources) assert.deepStrictEqual(wrongImports(file), [], file)
  })

  it("have no circular imports", () => {
    for (const file of sources)
      for (const imported of importsOf(file)) assert.isTrue(existsSync(join(root, imported)), `${file}: ${imported}`)
    assert.deepStrictEqual(circle(new Map(sources.map((file) => [file, importsOf(file)]))), [])
  })

  it("are checked: a wrong import of any form is found", () => {
    const broker = "src/broker/Broker.ts"
    for (const form of [
      'import type { Broker } from "../../broker/Broker.ts"',
      'import {\n  type Broker,\n  // a comment (with parentheses)\n  Other\n} from "../../broker/Broker.ts"',
      'import "../../broker/Broker.ts"',
      "export * from '../../broker/Broker.ts'",
      'export type { Broker } from "../../broker/Broker.ts"',
      'type Late = import("../../broker/Broker.ts").Broker',
      'const late = () => import(\n  "../../broker/Broker.ts"\n)',
      "const late = () => import(`../../broker/Broker.ts`)",
      'const script = new URL("../../broker/Broker.ts", import.meta.url)'
    ]) {
      assert.deepStrictEqual(wrongImports("src/domain/model/Order.ts", `${form}\n`), [broker], form)
    }
    assert.deepStrictEqual(wrongImports(broker, 'export * from "./nowhere/Thing.ts"\n'), [
      "src/broker/nowhere/Thing.ts"
    ])
    assert.deepStrictEqual(wrongImports("src/domain/model/Order.ts", '// import "../../broker/Broker.ts"\n'), [])
    assert.deepStrictEqual(
      circle(
        new Map([
          ["a.ts", ["b.ts"]],
          ["b.ts", ["c.ts"]],
          ["c.ts", ["b.ts"]]
        ])
      ),
      ["b.ts", "c.ts", "b.ts"]
    )
  })
})

describe("what a room may use", () => {
  const within = (folder: string) => sources.filter((file) => file.startsWith(folder))

  it("has no service, effect, clock, file or network in the pure core", () => {
    const pure = "BigDecimal|Cause|DateTime|Duration|Exit|Option|Order|Result|Schema|SchemaIssue"
    const allowed = new RegExp(`^(?:type )?(?:${pure})$`)
    const impure =
      /\b(?:DateTime\.now(?:Unsafe)?|Date\.now|new Date\(\)|Math\.random|fetch|process|performance|globalThis)\b/
    for (const file of within("src/domain/")) {
      const code = withoutComments(read(file))
      const packages = namedModules(code).filter((name) => !name.startsWith("."))
      const named = [...code.matchAll(/^import (?:type )?\{([^}]*)\} from "effect"$/gm)].map(([, names = ""]) => names)
      // A hash depends on its input alone.
      const hashes = [...code.matchAll(/^import \{ createHash \} from "node:crypto"$/gm)].length
      assert.strictEqual(packages.length, named.length + hashes, `${file} imports ${packages.join(", ")}`)
      for (const name of named.flatMap((names) => names.split(","))) assert.match(name.trim(), allowed, file)
      assert.notMatch(code.replaceAll(/"[^"\n]*"|`[^`]*`/g, '""'), impure, file)
    }
  })

  it("has SQL only in the stores, the database layer, the mock's order list and the clock's one query", () => {
    const others = sources.filter(
      (file) => file.startsWith("src/") && /\bsql(?:<[^`]*>)?`|\bsql\.(?:unsafe|literal)\(/.test(read(file))
    )
    const elsewhere = others.filter((file) => !file.startsWith("src/stores/") && !file.startsWith("src/db/"))
    assert.deepStrictEqual(elsewhere.toSorted(), ["src/broker/mock/MockOrderList.ts", "src/clock/askDatabase.ts"])
  })

  it("has no import of the program in main.ts before the check of Node.js", () => {
    const fixed = [...read("src/main.ts").matchAll(/^import\b[^;"]*?"(\.[^"]+)"/gm)].map(([, from]) => from)
    assert.deepStrictEqual(fixed, ["./checkNode.ts", "./stopSignal.ts"])
    assert.notMatch(read("src/stopSignal.ts"), /^import\b/m)
  })
})
