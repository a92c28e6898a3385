/** The folder of the project, seen from `src/` and from `dist/` alike, whose files lie side by side. */
export const projectFolder = new URL("../", import.meta.url)
