import { createHash } from "node:crypto"
import { nextSixInIndia } from "./kiteTime.ts"

const authorization = /^token ([^:\s]+):(\S+)$/
const requestTokenMillis = 5 * 60_000

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

export interface Credentials {
  readonly seed: string
  readonly apiKey: string
  readonly apiSecret: string
  readonly tokensExpire: boolean
}

/** Logins and access tokens. The tokens are derived from the seed. */
export class SimulatorSession {
  readonly #credentials: Credentials
  /** When each access token expires. */
  readonly #access = new Map<string, number>()
  readonly #requests = new Map<string, number>()
  #issued = 0

  constructor(credentials: Credentials) {
    this.#credentials = credentials
  }

  /** Makes a token, a new one by default, valid until the next 06:00 in India. */
  issue(nowMillis: number, token = this.#fresh("access")): string {
    this.#access.set(token, this.#credentials.tokensExpire ? nextSixInIndia(nowMillis) : Number.POSITIVE_INFINITY)
    return token
  }

  /** Issues a request token, which can be exchanged once, within five minutes. */
  login(nowMillis: number): string {
    const token = this.#fresh("request")
    this.#requests.set(token, nowMillis + requestTokenMillis)
    return token
  }

  /** Exchanges a request token for an access token; returns the token or an error message. */
  exchange(form: URLSearchParams, nowMillis: number): { readonly token: string } | { readonly problem: string } {
    const { apiKey, apiSecret } = this.#credentials
    const requestToken = form.get("request_token") ?? ""
    if (form.get("api_key") !== apiKey) return { problem: "Invalid `api_key`." }
    if (form.get("checksum") !== sha256(`${apiKey}${requestToken}${apiSecret}`)) {
      return { problem: "Invalid `checksum`." }
    }
    const endsAt = this.#requests.get(requestToken)
    this.#requests.delete(requestToken)
    if (endsAt === undefined || nowMillis >= endsAt) return { problem: "Token is invalid or has expired." }
    return { token: this.issue(nowMillis) }
  }

  isValid(apiKey: string | null | undefined, token: string | null | undefined, nowMillis: number): boolean {
    if (apiKey !== this.#credentials.apiKey || token === null || token === undefined) return false
    const endsAt = this.#access.get(token)
    return endsAt !== undefined && nowMillis < endsAt
  }

  /** Whether an Authorization header, `token key:token`, is valid now. */
  authorizes(header: string | undefined, nowMillis: number): boolean {
    const [, apiKey, token] = authorization.exec(header ?? "") ?? []
    return this.isValid(apiKey, token, nowMillis)
  }

  /** Whether an Authorization header has the right API key, with any token. */
  recognizes(header: string | undefined): boolean {
    return authorization.exec(header ?? "")?.[1] === this.#credentials.apiKey
  }

  end(token: string): void {
    this.#access.delete(token)
  }

  expireAll(): void {
    this.#access.clear()
  }

  #fresh(kind: string): string {
    return sha256(`${this.#credentials.seed}\n${kind}\n${this.#issued++}`).slice(0, 32)
  }
}
