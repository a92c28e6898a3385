import { Option, Redacted, Result } from "effect"
import { safe } from "../domain/text/safe.ts"
import { baseUrl, type Setting } from "./Setting.ts"

type Pairs = Readonly<Record<string, string>>

/** `key=value,key=value`, with commas, equals signs and the like in URL encoding. */
const pairs = (text: string): Option.Option<Pairs> => {
  const entries: Array<readonly [string, string]> = []
  for (const part of text.split(",")) {
    if (part.trim() === "") continue
    const at = part.indexOf("=")
    const key = decoded(part.slice(0, Math.max(at, 0)))
    const value = decoded(part.slice(at + 1))
    if (key === null || key === "" || value === null) return Option.none()
    entries.push([key, value])
  }
  return Option.some(Object.fromEntries(entries))
}

const pairsLength = 16_384

/** Whether nothing but visible characters and spaces is in the names and values. */
const isPlain = (all: Pairs): boolean =>
  !Object.entries(all)
    .flat()
    .some((text) => safe(text) !== text)

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text.trim())
  } catch {
    return null
  }
}

/** In upper or lower case, as in the OpenTelemetry specification. */
export const sdkDisabled: Setting<boolean> = {
  name: "OTEL_SDK_DISABLED",
  defaultText: "false",
  defaultValue: false,
  decode: (given) =>
    /^(true|false)$/i.test(given) ? Result.succeed(given.toLowerCase() === "true") : Result.fail("true or false")
}

/** Not shown when it is invalid, because it may contain a password by mistake. */
export const otlpEndpoint: Setting<Option.Option<string>> = {
  name: "OTEL_EXPORTER_OTLP_ENDPOINT",
  defaultText: "",
  defaultValue: Option.none(),
  isSecret: true,
  decode: (given) =>
    Result.map(
      Result.fromNullishOr(
        baseUrl(given, ["http:", "https:"]),
        () => "a URL such as http://localhost:4318; credentials belong in OTEL_EXPORTER_OTLP_HEADERS"
      ),
      Option.some
    )
}

export const otlpHeaders: Setting<Redacted.Redacted<Pairs>> = {
  name: "OTEL_EXPORTER_OTLP_HEADERS",
  defaultText: "",
  defaultValue: Redacted.make({}),
  isSecret: true,
  maxLength: pairsLength,
  decode: (given) => {
    const headers = Option.filter(pairs(given), (all) =>
      Object.entries(all).every(([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\x20-\x7e]*$/.test(value))
    )
    return Option.match(headers, {
      onNone: () => Result.fail("headers such as api-key=secret,x-tenant=desk, with %20 for a space"),
      onSome: (all) => Result.succeed(Redacted.make(all))
    })
  }
}

export const resourceAttributes: Setting<Pairs> = {
  name: "OTEL_RESOURCE_ATTRIBUTES",
  defaultText: "",
  defaultValue: {},
  maxLength: pairsLength,
  decode: (given) =>
    Result.fromOption(
      Option.filter(pairs(given), isPlain),
      () => "attributes such as deployment.environment.name=production,team=desk"
    )
}

/** The samplers of the specification. Orders rarely have a parent span, so the parent-based ones act like the others. */
export const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio"
] as const
