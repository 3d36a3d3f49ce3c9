/**
 * Simulations without a trace, which takes a tenth of their time: one that breaks a promise is run again, with its trace,
 * since the same seed gives the same history (G8).
 */
import { SimulationError } from './simulation.ts';

/**
 * @param run runs one seed, with a trace if it is run again
 * @throws SimulationError with its trace; also when the second run does not find what the first one has
 */
export function retold<T>(run: (again: boolean) => T): T {
  try {
    return run(false);
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    run(true);
    throw new Error(`G8: it was not found again: ${error.message}`, { cause: error });
  }
}
