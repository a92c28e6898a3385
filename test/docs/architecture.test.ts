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

const sources: ReadonlyArray<string> = ["src", "simulation", "scripts", "bench"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name))
)

const importForms =
  /^(?:import|export)\b[^"=();]*?\bfrom "(\.[^"]+)"|^import "(\.[^"]+)"|^(?!\s*\*).*\bimport\("(\.[^"]+)"\)/gm

/** The project's files that a file imports: statically, for the side effect only, or dynamically. */
const importsOf = (file: string, code = read(file)): ReadonlyArray<string> =>
  [...code.matchAll(importForms)].map(([, named, effect, dynamic]) =>
    normalize(join(dirname(file), named ?? effect ?? dynamic ?? ""))
  )

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

  it("are checked: a wrong import of either kind is found", () => {
    const wrong = 'import type { Broker } from "../../broker/Broker.ts"\n'
    assert.deepStrictEqual(wrongImports("src/domain/model/Order.ts", wrong), ["src/broker/Broker.ts"])
    const lazily = 'const later = () => import("../../cli/Cli.ts")\n'
    assert.deepStrictEqual(wrongImports("src/stores/orders/OrderStore.ts", lazily), ["src/cli/Cli.ts"])
    assert.deepStrictEqual(wrongImports("src/broker/Broker.ts", 'export * from "./nowhere/Thing.ts"\n'), [
      "src/broker/nowhere/Thing.ts"
    ])
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
    for (const file of within("src/domain/")) {
      for (const [, names = "", from = ""] of read(file).matchAll(
        /^import (?:type )?\{([^}]*)\} from "([^."][^"]*)"/gm
      )) {
        // A hash depends on its input alone.
        if (from === "node:crypto" && names.trim() === "createHash") continue
        assert.strictEqual(from, "effect", file)
        for (const name of names.split(",")) assert.match(name.trim(), allowed, file)
      }
    }
  })

  it("has SQL only in the stores, the database layer, the mock's order list and the clock's one query", () => {
    const others = sources.filter((file) => file.startsWith("src/") && /\bsql`/.test(read(file)))
    const elsewhere = others.filter((file) => !file.startsWith("src/stores/") && !file.startsWith("src/db/"))
    assert.deepStrictEqual(elsewhere.toSorted(), ["src/broker/mock/MockOrderList.ts", "src/clock/DatabaseClock.ts"])
  })

  it("has no import of the program in main.ts before the check of Node.js", () => {
    const fixed = [...read("src/main.ts").matchAll(/^import\b[^;"]*?"(\.[^"]+)"/gm)].map(([, from]) => from)
    assert.deepStrictEqual(fixed, ["./checkNode.ts"])
  })
})
