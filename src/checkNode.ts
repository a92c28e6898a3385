/** Why the service does not run on a version of Node.js, and what to do; null when it does. */
export const problemWithNode = (version: string): string | null => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 19)
    ? null
    : `pulse-background needs Node.js 22.19 or later, and this is ${version}. ` +
        "The one that npm ci has brought along does: npx node dist/main.js"
}

// Checked before anything else is loaded: on an older Node.js the service would start and then fail slice by slice.
const problem = problemWithNode(process.versions.node)
if (problem !== null) {
  process.stderr.write(`${problem}\n`)
  process.exit(1)
}
