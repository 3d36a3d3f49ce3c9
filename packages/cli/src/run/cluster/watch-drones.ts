/** While commands wait for Drones that have gone, a person should know that it is not the commands that take long. */
import type { Hive } from '@hive/client';
import { fittingSlots, type Labels } from './fitting.ts';

const LOOK_MILLIS = 2_000;

export interface WatchOptions {
  readonly labels: Labels;
  readonly say: (text: string) => void;
}

/** Says so, once for every time that no Drone is left which fits. */
export function noteMissingDrones(hive: Hive, job: string, { labels, say }: WatchOptions): Disposable {
  let isSaid = false;
  const look = async () => {
    if (!hive.isConnected) return;
    const slots = fittingSlots(await hive.drones(), labels);
    if (slots === 0 && !isSaid)
      say(`Warning: No Drone that fits is left; waiting for one. "hive explain ${job}" tells more.`);
    isSaid = slots === 0;
  };
  // What cannot be asked now will be asked again.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_MILLIS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
