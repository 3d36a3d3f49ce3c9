/** While a command waits for a Queen who does not answer, a person should know that it is not the work that takes long. */
import type { Hive } from '@hive/client';

const LOOK_MILLIS = 1_000;

/** Calls `say` once for every loss of the connection that lasts. */
export function noteLostQueen(hive: Hive, say: (text: string) => void): Disposable {
  let wasConnected = true;
  let isSaid = false;
  const timer = setInterval(() => {
    const { isConnected } = hive;
    if (isConnected) isSaid = false;
    else if (!wasConnected && !isSaid) {
      isSaid = true;
      say('the Queen does not answer; waiting for her to come back');
    }
    wasConnected = isConnected;
  }, LOOK_MILLIS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
