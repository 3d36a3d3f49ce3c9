/**
 * Some bounds are so wide that a simulated minute never reaches them. Half of the seeds run with narrow ones, so that what
 * happens at a bound happens often. The bounds are the real ones of limits.ts, changed in place and put back.
 */
import { LIMITS } from '@hive/shared';
import type { Random } from './random.ts';

type Knobs = { -readonly [K in keyof typeof LIMITS]?: number };

export function narrowLimits(random: Random): Knobs {
  const maybe = (value: number, key: keyof Knobs): Knobs => (random.chance(0.6) ? { [key]: value } : {});
  return {
    ...maybe(random.int(500, 8_000), 'resultBytesHeldMax'),
    ...maybe(random.int(2_000, 16_000), 'inputBytesHeldMax'),
    ...maybe(random.int(50, 2_000), 'leaseBytesMax'),
    ...maybe(random.int(500, 6_000), 'slotUnackedBytesMax'),
    ...maybe(random.int(2_000, 20_000), 'sendBufferSoft'),
    ...maybe(random.int(500_000, 900_000), 'sendBufferHard'),
    ...maybe(random.int(1, 4), 'heartbeatsPerSecond'),
    ...maybe(random.int(1, 60), 'leaseTasksMax'),
    ...maybe(random.int(1, 20), 'retryingTasksMax'),
  };
}

/** Few pages in a fold, so that its tree is high. */
export function foldLimits(random: Random): Knobs {
  return {
    foldPagesMax: random.pick([2, 3, 5, 32]),
    ...(random.chance(0.5) ? { foldBytesMax: random.int(4, 2_000) } : {}),
  };
}

/** Runs something with other limits, and puts the right ones back. */
export function withLimits<T>(knobs: Knobs, run: () => T): T {
  const limits = LIMITS as unknown as Record<string, number>;
  const before = { ...limits };
  Object.assign(limits, knobs);
  try {
    return run();
  } finally {
    Object.assign(limits, before);
  }
}
