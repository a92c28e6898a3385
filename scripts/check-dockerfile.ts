/*
 * Checks the Dockerfile without a container engine, on Linux and macOS. Each stage becomes a folder, in which the COPY and npm
 * steps are carried out. The last stage must not contain development dependencies, and its ENTRYPOINT, HEALTHCHECK and STOPSIGNAL
 * must work on a real PostgreSQL. An instruction that the check does not understand is an error.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Logger, Redacted, Schedule, Schema } from "effect"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { basename, delimiter, isAbsolute, join, relative, resolve } from "node:path"
import { useServer } from "../src/db/EmbeddedPostgres.ts"

class Problem extends Schema.TaggedError<Problem>()("Problem", { message: Schema.String }) {}

interface ImageStage {
  readonly folder: string
  readonly image: string
  workdir: string
  env: Readonly<Record<string, string>>
  user: string
  entrypoint: ReadonlyArray<string>
  health: ReadonlyArray<string>
  stopSignal: "SIGTERM" | "SIGINT"
}

const project = resolve(import.meta.dirname, "..")
const read = (name: string): string => fs.readFileSync(join(project, name), "utf8")
const problem = (message: string) => new Problem({ message })
const fail = (message: string): never => {
  throw problem(message)
}
const toProblem = (error: unknown) => (error instanceof Problem ? error : problem(String(error)))
const json = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(schema))
const decodeWords = json(Schema.Array(Schema.String))
const Package = Schema.Record(Schema.String, Schema.Unknown)
const decodePackage = json(Schema.Struct({ version: Schema.String }))
const decodeLock = json(Schema.Struct({ packages: Schema.Record(Schema.String, Package) }))

/** .dockerignore: the last pattern that matches a path or one of its folders decides. */
const wildcards: Readonly<Record<string, string>> = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]" }
const ignoreRules = read(".dockerignore")
  .split("\n")
  .filter((line) => line.trim() !== "" && !line.startsWith("#"))
  .map((line) => {
    const plain = line.trim().replace(/^!?\/?|\/$/g, "")
    const source = plain.replace(/\*\*\/|\*\*|[*?.+^${}()|[\]\\]/g, (found) => wildcards[found] ?? `\\${found}`)
    return { ignores: !line.startsWith("!"), pattern: new RegExp(`^${source}(?:/|$)`) }
  })
const isIgnored = (path: string) => ignoreRules.findLast(({ pattern }) => pattern.test(path))?.ignores ?? false

const inStage = (stage: ImageStage, path: string) =>
  join(stage.folder, isAbsolute(path) ? path : join(stage.workdir, path))

const copy = (stage: ImageStage, text: string, stages: ReadonlyMap<string, ImageStage>) => {
  const words = text.split(/\s+/)
  const given = words.filter((word) => !word.startsWith("--"))
  const target = given.pop() ?? ""
  // A pattern may match nothing.
  const paths = given.flatMap((path) => (/[*?[]/.test(path) ? fs.globSync(path, { cwd: project }) : [path]))
  let from: ImageStage | undefined
  for (const option of words.filter((word) => word.startsWith("--"))) {
    const [name, value = ""] = option.split("=")
    if (name === "--from") from = stages.get(value) ?? fail(`COPY ${text}: there is no stage ${value}`)
    else if (name !== "--chown") fail(`COPY ${text}: the option ${option} is not known to this check`)
  }
  const isLeftOut = (path: string) => from === undefined && isIgnored(relative(project, path))
  for (const path of paths) {
    const source = from === undefined ? join(project, path) : inStage(from, path)
    if (!fs.existsSync(source)) fail(`COPY ${text}: ${path} does not exist`)
    if (isLeftOut(source)) fail(`COPY ${text}: .dockerignore leaves ${path} out`)
    const isIntoFolder = !fs.statSync(source).isDirectory() && (target.endsWith("/") || paths.length > 1)
    const to = inStage(stage, isIntoFolder ? join(target, basename(path)) : target)
    fs.cpSync(source, to, { recursive: true, verbatimSymlinks: true, filter: (path) => !isLeftOut(path) })
  }
}

/** Runs an npm step without a shell. Other commands are refused: they would change this machine and not an image. */
const run = (stage: ImageStage, command: string, bin: string) => {
  if (!/^npm (ci|run|prune)( [\w:=@./-]+)*$/.test(command)) fail(`RUN ${command}: this check cannot do that safely`)
  const kept = Object.entries(process.env).filter(([name]) => /^(HOME|.*_PROXY|SSL_.*|NODE_EXTRA_.*)$/i.test(name))
  const outside = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"))
  const env = { ...Object.fromEntries(kept), ...stage.env, PATH: [bin, ...outside].join(delimiter) }
  const [program = "", ...words] = command.split(" ")
  const done = spawnSync(program, words, { cwd: inStage(stage, "."), env, encoding: "utf8" })
  if (done.status !== 0) fail(`RUN ${command} failed:\n${done.stdout}${done.stderr}${done.error?.message ?? ""}`)
}

/** Builds all stages, each in a folder that stands for its root, and returns the last one after checking its contents. */
const build = (folder: string, bin: string): ImageStage => {
  const stages = new Map<string, ImageStage>()
  const defaults = new Map<string, string>()
  const text = read("Dockerfile").replace(/^\s*#.*\n|\\\n/gm, "")
  let stage: ImageStage | undefined
  for (const line of text.split("\n").filter((line) => line.trim() !== "")) {
    const [, word = "", rest = ""] = /^\s*(\w+)\s+(.*?)\s*$/.exec(line) ?? fail(`Not an instruction: ${line}`)
    process.stdout.write(`${line}\n`)
    if (word === "FROM") {
      const [, from = "", name = `${stages.size}`] = /^(\S+)(?: AS (\S+))?$/i.exec(rest) ?? fail(`Not known: ${line}`)
      const image = from.replace(
        /^\$\{(\w+)\}$/,
        (_, argument: string) => defaults.get(argument) ?? fail(`No ARG ${argument}`)
      )
      const base = stages.get(image)
      const empty = { image, workdir: "/", env: {}, user: "", entrypoint: [], health: [] }
      stage = { ...empty, stopSignal: "SIGTERM", ...base, folder: join(folder, `stage-${name}`) }
      if (base === undefined) fs.mkdirSync(stage.folder)
      else fs.cpSync(base.folder, stage.folder, { recursive: true, verbatimSymlinks: true })
      stages.set(name, stage)
    } else if (word === "ARG") {
      const [name = "", value = ""] = rest.split(/=(.*)/)
      defaults.set(name, value)
    } else if (stage === undefined) fail(`${word} before FROM`)
    else if (word === "WORKDIR") {
      stage.workdir = resolve(stage.workdir, rest)
      fs.mkdirSync(inStage(stage, "."), { recursive: true })
    } else if (word === "ENV" && /^\w+=[^\s"$]*$/.test(rest)) {
      stage.env = { ...stage.env, ...Object.fromEntries([rest.split(/=(.*)/).slice(0, 2)]) }
    } else if (word === "COPY") copy(stage, rest, stages)
    else if (word === "RUN") run(stage, rest, bin)
    else if (word === "USER") stage.user = rest
    else if (word === "STOPSIGNAL" && (rest === "SIGTERM" || rest === "SIGINT")) stage.stopSignal = rest
    else if (word === "HEALTHCHECK") stage.health = decodeWords(rest.replace(/^(--\S+\s+)*CMD\s+/, ""))
    else if (word === "ENTRYPOINT") stage.entrypoint = decodeWords(rest)
    else if (word === "LABEL") checkLabels(rest)
    else fail(`Not known to this check: ${line}`)
  }
  return checkContents(stage ?? fail("The Dockerfile has no stage"))
}

/** The image's version is that of package.json. */
const checkLabels = (labels: string) => {
  const { version } = decodePackage(read("package.json"))
  const [, given] = /org\.opencontainers\.image\.version="([^"]*)"/.exec(labels) ?? []
  if (given !== version) fail(`LABEL org.opencontainers.image.version should be ${version}, as in package.json`)
}

/** The static imports of a bundle (at the left margin) and its dynamic ones. */
const importsOf = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(/^(?:import|export)\b[^"'\n]*["']([^"'\n]+)["'];?$|\bimport\(["']([^"'\n]+)["']\)/gm)].flatMap(
    ([, from, late]) => from ?? late ?? []
  )

const checkContents = (stage: ImageStage): ImageStage => {
  const { packages } = decodeLock(read("package-lock.json"))
  const wanted = `node:${String(packages["node_modules/node"]?.["version"])}-`
  if (!stage.image.startsWith(wanted)) fail(`${stage.image} should be ${wanted}…, as the npm package is`)
  if (!/^[1-9]\d*:[1-9]\d*$/.test(stage.user)) fail("USER of the last stage must be numbers, and not root")
  if (stage.entrypoint.length === 0 || stage.health.length === 0) fail("ENTRYPOINT or HEALTHCHECK is missing")
  const needless = Object.entries(packages)
    .filter(([, flags]) => ["dev", "devOptional", "optional"].some((flag) => flag in flags))
    .flatMap(([path]) => (fs.existsSync(inStage(stage, path)) ? [path] : []))
  if (needless.length > 0) fail(`Not needed to run, but in the last stage: ${needless.join(", ")}`)
  const missing = fs
    .readdirSync(inStage(stage, "dist"))
    .filter((name) => name.endsWith(".js"))
    .flatMap((name) => importsOf(fs.readFileSync(inStage(stage, `dist/${name}`), "utf8")))
    .filter((from) => !from.startsWith("node:") && !from.startsWith("./"))
  if (missing.length > 0) fail(`dist imports what is not in the last stage: ${missing.join(", ")}`)
  return stage
}

/** The working folder, for the stage's own script, and Node.js. */
const pathIn = (stage: ImageStage, bin: string) => [inStage(stage, "."), bin].join(delimiter)

/** Runs a command with the Dockerfile's ENV only, and as its USER if this process is root. */
const start = (stage: ImageStage, [program = "", ...words]: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [uid = 0, gid = 0] = stage.user.split(":").map(Number)
      const account = process.getuid?.() === 0 ? { uid, gid } : {}
      const child = spawn(program, words, { cwd: inStage(stage, "."), env: { ...stage.env, ...env }, ...account })
      let output = ""
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (text: Buffer) => (output += text.toString()))
      child.on("error", (error) => (output += error.message))
      const end = new Promise<number | null>((resolve) => child.on("close", resolve))
      return {
        child,
        output: () => output,
        ended: Effect.timeout(
          Effect.promise(() => end),
          "30 seconds"
        )
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** The last stage must report a missing DATABASE_URL, become healthy on an empty database, and exit 0 on its stop signal. */
const checkService = Effect.fn(function* (stage: ImageStage, databaseUrl: string, bin: string) {
  const withoutDatabase = yield* start(stage, stage.entrypoint, { PATH: pathIn(stage, bin) })
  const refusal = `${yield* withoutDatabase.ended} ${withoutDatabase.output()}`
  if (!/^1 .*DATABASE_URL/s.test(refusal))
    return yield* problem(`Without DATABASE_URL it should say so, not: ${refusal}`)
  const env = { PATH: pathIn(stage, bin), DATABASE_URL: databaseUrl }
  const command = yield* start(stage, [...stage.entrypoint, "--version"], env)
  if ((yield* command.ended) !== 0) return yield* problem(`A command after the ENTRYPOINT fails: ${command.output()}`)
  const service = yield* start(stage, stage.entrypoint, env)
  const askHealth = Effect.gen(function* () {
    const health = yield* start(stage, stage.health, env)
    if ((yield* health.ended) !== 0) return yield* problem(`Not healthy: ${health.output()}`)
  })
  yield* askHealth.pipe(
    Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 40, while: () => service.child.exitCode === null }),
    Effect.tapError(() => Console.error(service.output()))
  )
  service.child.kill(stage.stopSignal)
  const code = yield* service.ended
  if (code !== 0) return yield* problem(`${stage.stopSignal} ended it with ${code}: ${service.output()}`)
})

const check = Effect.gen(function* () {
  const folder = fs.mkdtempSync(join(tmpdir(), "pulse-image-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true })))
  // The image's user needs access to the folder, and to a Node.js outside of root's home.
  fs.chmodSync(folder, 0o755)
  const bin = join(folder, "bin")
  fs.cpSync(process.execPath, join(bin, "node"))
  const stage = yield* Effect.try({ try: () => build(folder, bin), catch: toProblem })
  const server = yield* useServer({ folder: join(folder, "postgres"), systemFolder: join(folder, "system") })
  // The socket is open to all accounts, like a server on the network; the password is still required.
  fs.chmodSync(server.host, 0o755)
  fs.chmodSync(join(server.host, `.s.PGSQL.${server.port}`), 0o777)
  const [host, secret] = [server.host, Redacted.value(server.password)].map(encodeURIComponent)
  yield* checkService(stage, `postgres://${server.username}:${secret}@${host}:${server.port}/${server.database}`, bin)
  yield* Console.log("The Dockerfile's image would build, run, be healthy and stop in order.")
})

check.pipe(
  Effect.scoped,
  Effect.tapError(({ message }) => Console.error(message)),
  Effect.provide(Logger.layer([])),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
