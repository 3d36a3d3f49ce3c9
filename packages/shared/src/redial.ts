/** How long whoever has lost its Queen waits before it dials again. */
import { LIMITS } from './limits.ts';

/** Equal-jitter exponential backoff: half of it certain, half by chance. `chance` lies in [0, 1). */
export function redialDelay(attempt: number, chance: number): number {
  const cap = Math.min(LIMITS.redialMillisMax, LIMITS.redialMillis * 2 ** Math.min(attempt, 16));
  return cap / 2 + (cap / 2) * chance;
}
