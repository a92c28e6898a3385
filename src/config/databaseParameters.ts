/** How a parameter of a database URL is treated, by libpq's name. */
interface Parameter {
  /** The environment variable that gives its default, as for every PostgreSQL client. */
  readonly variable?: string
  /** Only these values are taken, because they ask for what the service does anyway. */
  readonly only?: ReadonlyArray<string>
  /** What to write instead of a value that is not taken. */
  readonly instead?: string
}

const honoured = (variable?: string): Parameter => (variable === undefined ? {} : { variable })

const only = (values: ReadonlyArray<string>, instead: string, variable?: string): Parameter => ({
  ...honoured(variable),
  only: values,
  instead
})

const noKerberos = "leave it out: Kerberos is not supported"
const fixedKeepAlive =
  "leave it out: only keepalives and keepalives_idle can be set, the rest is the operating system's"

/** libpq's parameters. Without `only`, a parameter is honoured. */
export const parameters = {
  host: honoured("PGHOST"),
  port: honoured("PGPORT"),
  dbname: honoured("PGDATABASE"),
  user: honoured("PGUSER"),
  password: honoured("PGPASSWORD"),
  passfile: honoured("PGPASSFILE"),
  sslmode: honoured("PGSSLMODE"),
  sslrootcert: honoured("PGSSLROOTCERT"),
  sslcert: honoured("PGSSLCERT"),
  sslkey: honoured("PGSSLKEY"),
  sslpassword: honoured(),
  ssl_min_protocol_version: honoured("PGSSLMINPROTOCOLVERSION"),
  ssl_max_protocol_version: honoured("PGSSLMAXPROTOCOLVERSION"),
  target_session_attrs: honoured("PGTARGETSESSIONATTRS"),
  options: honoured("PGOPTIONS"),
  application_name: honoured("PGAPPNAME"),
  connect_timeout: honoured("PGCONNECT_TIMEOUT"),
  keepalives: honoured(),
  keepalives_idle: honoured(),
  keepalives_interval: only([], fixedKeepAlive),
  keepalives_count: only([], fixedKeepAlive),
  tcp_user_timeout: only(["0"], "leave it out: a connection that falls silent is noticed within seconds"),
  client_encoding: only(["UTF8", "utf8", "UTF-8", "utf-8"], "leave it out: it is always UTF8", "PGCLIENTENCODING"),
  channel_binding: only(
    ["disable", "prefer"],
    "leave it out, and write sslmode=verify-full: channel binding is not supported",
    "PGCHANNELBINDING"
  ),
  sslnegotiation: only(["postgres"], "leave it out: TLS is asked for in PostgreSQL's way", "PGSSLNEGOTIATION"),
  sslcompression: only(["0"], "leave it out: TLS is not compressed", "PGSSLCOMPRESSION"),
  sslsni: only(["1"], "leave it out: the server's name is always sent", "PGSSLSNI"),
  sslcrl: only([], "leave it out: revocation lists are not supported", "PGSSLCRL"),
  sslcrldir: only([], "leave it out: revocation lists are not supported", "PGSSLCRLDIR"),
  sslcertmode: only(["allow"], "leave it out: a certificate is sent when sslcert is set", "PGSSLCERTMODE"),
  requiressl: only([], "write sslmode=require", "PGREQUIRESSL"),
  require_auth: only([], "leave it out, and write sslmode=verify-full", "PGREQUIREAUTH"),
  requirepeer: only([], "leave it out: the owner of a socket is not checked", "PGREQUIREPEER"),
  gssencmode: only(["disable", "prefer"], noKerberos, "PGGSSENCMODE"),
  krbsrvname: only([], noKerberos, "PGKRBSRVNAME"),
  gsslib: only([], noKerberos, "PGGSSLIB"),
  gssdelegation: only(["0"], noKerberos, "PGGSSDELEGATION"),
  hostaddr: only([], "write the address as host", "PGHOSTADDR"),
  load_balance_hosts: only(["disable"], "leave it out: hosts are tried in their order", "PGLOADBALANCEHOSTS"),
  service: only([], "write the service's host, port, dbname and user themselves", "PGSERVICE"),
  servicefile: only([], "write the service's host, port, dbname and user themselves", "PGSERVICEFILE"),
  fallback_application_name: only([], "write application_name"),
  replication: only(["false", "off", "no", "0"], "leave it out: the service needs ordinary connections"),
  min_protocol_version: only(["3.0"], "leave it out: the protocol is 3.0", "PGMINPROTOCOLVERSION"),
  max_protocol_version: only(["3.0"], "leave it out: the protocol is 3.0", "PGMAXPROTOCOLVERSION"),
  oauth_issuer: only([], "write user and password: OAuth is not supported"),
  oauth_client_id: only([], "write user and password: OAuth is not supported")
} as const satisfies Readonly<Record<string, Parameter>>

export type ParameterName = keyof typeof parameters

export const parameterNames: ReadonlyArray<ParameterName> = Object.keys(parameters).filter(
  (name): name is ParameterName => Object.hasOwn(parameters, name)
)

export const parameterOf = (name: ParameterName): Parameter => parameters[name]

/** The environment variables that are read as defaults of the parameters. */
export const parameterVariables: ReadonlyArray<string> = parameterNames.flatMap(
  (name) => parameterOf(name).variable ?? []
)

const tls = "sslmode=verify-full, or sslmode=require without a check of the server's certificate"
const rootCertificate = "sslrootcert=FILE, or DATABASE_CA_FILE"
const schema = "options=-csearch_path%3Dtrading, with the schema's name for trading"
const poolSize = "DATABASE_POOL_SIZE"
const statementTimeout = "DATABASE_STATEMENT_TIMEOUT_SECONDS"

/** What users of other clients write, in lower case and without `-` and `_`, and what it is here. */
const lookalikes: Readonly<Record<string, string>> = {
  ssl: tls,
  tls,
  sslaccept: tls,
  encrypt: tls,
  usessl: tls,
  sslroot: rootCertificate,
  sslca: rootCertificate,
  ca: rootCertificate,
  cacert: rootCertificate,
  sslrootca: rootCertificate,
  sslcertificate: "sslcert=FILE",
  uselibpqcompat: "sslmode alone, which has libpq's meaning here",
  currentschema: schema,
  schema,
  searchpath: schema,
  username: "user",
  pass: "password",
  pwd: "password",
  passwd: "password",
  database: "dbname",
  db: "dbname",
  hostname: "host",
  server: "host",
  socket: "host",
  appname: "application_name",
  timeout: "connect_timeout",
  logintimeout: "connect_timeout",
  connectiontimeout: "connect_timeout",
  tcpkeepalive: "keepalives",
  keepalive: "keepalives",
  targetservertype: "target_session_attrs=read-write",
  statementtimeout: statementTimeout,
  commandtimeout: statementTimeout,
  querytimeout: statementTimeout,
  sockettimeout: statementTimeout,
  poolsize: poolSize,
  poolmaxconns: poolSize,
  connectionlimit: poolSize,
  maxpoolsize: poolSize
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_.]/g, "")

/** What to write instead of a parameter that PostgreSQL does not have; null if other clients do not have it either. */
export const insteadOf = (name: string): string | null => {
  if (plain(name) === "pgbouncer") return "leave it out: PgBouncer works in session mode"
  const spelled = parameterNames.find((known) => plain(known) === plain(name))
  const instead = spelled ?? lookalikes[plain(name)]
  return instead === undefined ? null : `write ${instead}`
}
