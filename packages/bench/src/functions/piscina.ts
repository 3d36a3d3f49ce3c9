/**
 * Piscina, the pool of threads that Node's users know: beside the Hive, with as many threads as it has slots. It is no
 * dependency of this package: whoever measures installs it.
 */
import { UsageError } from '@hive/shared';

/** As much of it as is measured. */
export interface Pool {
  run(input: unknown, options: { readonly name: string }): Promise<unknown>;
  destroy(): Promise<void>;
}
interface PiscinaModule {
  readonly Piscina: new (options: object) => Pool;
}

/** Computed, so that no package manager takes it for a dependency. */
const PISCINA = ['pisc', 'ina'].join('');
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './piscina-worker.ts' : './piscina-worker.js',
  import.meta.url,
).href;

/** @throws UsageError if it is not installed */
export async function startPool(threads: number): Promise<Pool> {
  let module: PiscinaModule;
  try {
    module = (await import(PISCINA)) as PiscinaModule;
  } catch (error) {
    throw new UsageError('hive bench function compares with Piscina: npm install piscina', 'noPiscina', {
      cause: error,
    });
  }
  return new module.Piscina({
    filename: WORKER,
    minThreads: threads,
    maxThreads: threads,
    maxQueue: Number.POSITIVE_INFINITY,
    // As quick as it can be: its threads wait without sleeping for a moment.
    concurrentTasksPerWorker: 1,
  });
}
