import { type Check, ok, warning } from "./Check.ts"

/** How this process is connected to its database. */
export interface ConnectionFacts {
  /** Whether this process speaks TLS, with the server or with a pooler before it. */
  readonly isEncrypted: boolean
  /** Whether the server's certificate is verified, and its name as well. */
  readonly verified: "nothing" | "authority" | "name"
  /** Whether each host of DATABASE_URL is this one. */
  readonly isLocal: boolean
}

/** A WARNING when a server elsewhere is reached in plain text, or without proof that it is the right one. */
export const encryptionCheck = ({ isEncrypted, isLocal, verified }: ConnectionFacts): Check => {
  const name = "encryption"
  if (!isEncrypted) {
    return isLocal
      ? ok(name, "the connection is in plain text, on this host")
      : warning(
          name,
          "the connection is in plain text: the network between can read orders and passwords, and change them",
          "Turn ssl on at the server, and write sslmode=verify-full in DATABASE_URL"
        )
  }
  const found = "the connection is encrypted"
  if (verified === "nothing") {
    const more = "the server's certificate is not verified"
    return isLocal
      ? ok(name, `${found}; ${more}`)
      : warning(
          name,
          `${found}, but ${more}: another server could stand in between`,
          "Write sslmode=verify-full in DATABASE_URL, with DATABASE_CA_FILE for an authority of your own"
        )
  }
  return ok(name, `${found}, and the server's certificate is verified${verified === "name" ? " with its name" : ""}`)
}
