import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { sbomOf } from "../../scripts/lib/sbom.ts"
import { settings } from "../../src/config/Configuration.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (name: string) => readFileSync(join(root, name), "utf8")
const compose = read("docker-compose.yml")
const manifests = ["deploy/kubernetes.yaml", "deploy/kubernetes-migrate.yaml"].map(read)
const names = new Set(settings.map(({ name }) => name))

/** The lines of a mapping, without its key, that are deeper than it. */
const blocks = (text: string, key: string): ReadonlyArray<string> =>
  [...text.matchAll(new RegExp(`^( *)${key}:\\n((?:\\1 +.*\\n|\\n)+)`, "gm"))].map(([, , lines = ""]) => lines)

describe("deployment", () => {
  it("has one name for the image everywhere", () => {
    const images = [compose, ...manifests, read("Dockerfile")].flatMap((text) => [
      ...text.matchAll(/(?:\bimage: |-t )(?!\$)(\S+)/g)
    ])
    assert.deepStrictEqual(new Set(images.map(([, name]) => name)), new Set(["pulse-backend:latest"]))
  })

  it("sets only settings that exist", () => {
    const inCompose = blocks(compose, "environment").flatMap((lines) => [...lines.matchAll(/^ +([A-Z_]+):/gm)])
    const inMap = blocks(manifests[0] ?? "", "data").flatMap((lines) => [...lines.matchAll(/^ +(?:# )?([A-Z_]+): /gm)])
    assert.isAbove(inCompose.length, 15)
    assert.isAbove(inMap.length, 10)
    // Of PostgreSQL's image and of libpq.
    const others = new Set(["POSTGRES_DB", "PULSE_PASSWORD", "PGPASSWORD"])
    const found = [...inCompose, ...inMap].map(([, name = ""]) => name)
    assert.deepStrictEqual(
      found.filter((name) => !others.has(name) && !names.has(name.replace(/_FILE$/, "")) && !names.has(name)),
      []
    )
  })

  it("compose has no password of its own, and nothing that docker-compose 1.29 does not know", () => {
    assert.notMatch(compose, /PASSWORD:-|\$\{[^}]*\$\{|^ +- path:/m)
    for (const service of ["pulse-background", "pulse-background-staging", "kite-simulator"]) {
      assert.match(compose, new RegExp(`^ {2}${service}:\\n {4}<<: \\*service$`, "m"))
    }
  })

  it("Kubernetes asks the database for readiness only, and every container is locked down", () => {
    for (const text of manifests) {
      const containers = text.match(/^ +image: /gm)?.length ?? 0
      for (const line of ["readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", 'drop: ["ALL"]']) {
        assert.strictEqual(text.split(line).length - 1, containers, line)
      }
      assert.strictEqual(text.split("runAsNonRoot: true").length - 1, 1)
    }
    const probes = [...(manifests[0] ?? "").matchAll(/(\w+)Probe:[\s\S]*?command: (\[.*\])/g)]
    assert.deepStrictEqual(
      Object.fromEntries(probes.map(([, probe, command]) => [probe, command?.includes('"health", "--live"')])),
      { startup: true, liveness: true, readiness: false }
    )
    const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(manifests[0] ?? "")?.[1])
    assert.isAbove(grace, 2 * Number(/SHUTDOWN_GRACE_SECONDS: "(\d+)"/.exec(manifests[0] ?? "")?.[1]))
  })

  const hasSystemd = spawnSync("systemd-analyze", ["security", "--help"]).stdout?.includes("--offline") ?? false
  it.skipIf(!hasSystemd)("the systemd unit is valid, and hardened", () => {
    const folder = mkdtempSync(join(tmpdir(), "pulse-unit-"))
    const unit = join(folder, "pulse-background.service")
    writeFileSync(
      unit,
      read("deploy/systemd/pulse-background.service").replace(
        "/usr/bin/node",
        process.execPath.replaceAll(" ", "\\x20")
      )
    )
    const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" })
    const security = spawnSync("systemd-analyze", ["security", "--offline=yes", "--threshold=15", "--no-pager", unit])
    rmSync(folder, { recursive: true })
    assert.deepStrictEqual([verified.status, verified.stderr], [0, ""])
    assert.strictEqual(security.status, 0, security.stdout.toString())
  })
  if (!hasSystemd) console.log("Skipped, because there is no systemd-analyze of version 250 or later: the systemd unit")
})

describe("the bill of materials", () => {
  const { components } = sbomOf(read("package-lock.json"))

  it("has each package that the service is bundled with, once, and none that only develops it", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json"))
    for (const [name, version] of Object.entries(dependencies)) {
      assert.isTrue(
        components.some((each) => each.name === name && each.version === version && each.purl.startsWith("pkg:npm/")),
        name
      )
    }
    for (const name of ["vitest", "rolldown", "typescript"]) {
      assert.property(devDependencies, name)
      assert.isFalse(components.some((each) => each.name === name))
    }
    assert.strictEqual(new Set(components.map((each) => each["bom-ref"])).size, components.length)
  })
})
