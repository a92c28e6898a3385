import { Schema } from "effect"

const Flag = Schema.optionalKey(Schema.Boolean)
const Locked = Schema.Struct({
  version: Schema.optionalKey(Schema.String),
  license: Schema.optionalKey(Schema.String),
  integrity: Schema.optionalKey(Schema.String),
  dev: Flag,
  devOptional: Flag,
  optional: Flag
})
const Lock = Schema.fromJsonString(
  Schema.Struct({ name: Schema.String, version: Schema.String, packages: Schema.Record(Schema.String, Locked) })
)

/**
 * The software bill of materials in CycloneDX's JSON: the packages that `dist/` is made of, from the text of package-lock.json.
 * npm's own `npm sbom --omit=dev` leaves out packages that a development dependency needs, too.
 */
export const sbomOf = (lockText: string) => {
  const { name, packages, version } = Schema.decodeUnknownSync(Lock)(lockText)
  const components = Object.entries(packages).flatMap(([path, locked]) => {
    const { dev, devOptional, integrity, license, optional, version: its } = locked
    if (path === "" || its === undefined || dev === true || devOptional === true || optional === true) return []
    return [component(path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length), its, license, integrity)]
  })
  const root = component(name, version, undefined, undefined)
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: { ...root, type: "application" } },
    // A version may be installed in several places.
    components: [...new Map(components.map((each) => [each.purl, each])).values()]
  }
}

const component = (name: string, version: string, license: string | undefined, integrity: string | undefined) => {
  const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${version}`
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ license: { id: license } }] }),
    ...(integrity?.startsWith("sha512-") === true
      ? {
          hashes: [
            { alg: "SHA-512", content: Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex") }
          ]
        }
      : {})
  }
}
