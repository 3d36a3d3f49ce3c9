/** In which file a task or a reducer stands: where the function that marks it was called. */

interface CallSite {
  getFileName(): string | null;
}

/** The file of whoever called the function that asks. */
export function callerFile(): string | null {
  const holder = Error as unknown as { prepareStackTrace?: unknown };
  const { prepareStackTrace } = holder;
  try {
    holder.prepareStackTrace = (_: unknown, sites: readonly CallSite[]) => sites;
    const sites = new Error().stack as unknown as readonly CallSite[];
    return sites[2]?.getFileName() ?? null;
  } finally {
    holder.prepareStackTrace = prepareStackTrace;
  }
}
