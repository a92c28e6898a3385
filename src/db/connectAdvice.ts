/** What to do about a connection that failed with a message of the server, of Node.js or of the driver. */
export const adviceOn = (message: string, isEmbedded: boolean): string => {
  if (isEmbedded) return "Check that the server is running and accepts this user."
  return (
    advice.find(([pattern]) => pattern.test(message))?.[1] ??
    "Check that DATABASE_URL is right and that the server is running and accepts this user."
  )
}

const advice: ReadonlyArray<readonly [pattern: RegExp, text: string]> = [
  [/DATABASE_POOL_SIZE/, "A daemon that runs tries again by itself."],
  [
    /self-signed certificate|unable to verify the first certificate|unable to get (local )?issuer certificate/,
    "The authority that signed the server's certificate is not known: name its certificate with DATABASE_CA_FILE, or with " +
      "sslrootcert in DATABASE_URL."
  ],
  [
    /does not match certificate's altnames|Hostname\/IP/,
    "The server's certificate is for other names: write one of them as host in DATABASE_URL, or sslmode=verify-ca, which " +
      "does not compare names."
  ],
  [/certificate has expired/, "Renew the server's certificate."],
  [/certificate is not yet valid/, "Check this host's clock, and from when on the server's certificate is valid."],
  [
    /requires a valid client certificate|certificate authentication failed|alert certificate required/,
    "The server wants a certificate that is made for this user: name it and its key with sslcert and sslkey in DATABASE_URL."
  ],
  [
    /alert unknown ca/,
    "The server does not know the authority that signed the certificate of sslcert: add it to the server's ssl_ca_file."
  ],
  [
    /alert protocol version|unsupported protocol/,
    "This host and the server have no version of TLS in common: see ssl_min_protocol_version, in DATABASE_URL and at the server."
  ],
  [
    /does not support TLS/,
    "Turn ssl on at the server, or write sslmode=disable in DATABASE_URL if the network between is trusted."
  ],
  [
    /no pg_hba\.conf entry.*no encryption/,
    "The server takes this user with TLS only: write sslmode=require or verify-full in DATABASE_URL."
  ],
  [
    /no pg_hba\.conf entry/,
    "Add a line for this user, database and address to the server's pg_hba.conf, and reload it."
  ],
  [
    /requested password authentication/,
    "DATABASE_URL has no password, and neither PGPASSWORD nor the password file has one for this server, database and user."
  ],
  [
    /max_client_conn/,
    "Let PgBouncer's max_client_conn allow DATABASE_POOL_SIZE connections for each daemon, and more for the commands."
  ],
  [
    /unrecognized configuration parameter|invalid value for parameter|parameter ".*" cannot be/,
    "Correct options in DATABASE_URL, or PGOPTIONS."
  ]
]
