/** A command with a job of its own whose output nobody reads any more (`| head`): its job goes, too, and then it ends. */
import type { Hive } from '@hive/client';

/** A Queen that does not answer is not waited for longer than this. */
const LEAVE_MILLIS = 1_000;

/** While this is in force, the end of standard output's reader closes the client, which cancels its jobs. */
export function leaveWithReader(hive: Hive): Disposable {
  const leave = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') return;
    setTimeout(() => process.exit(0), LEAVE_MILLIS);
    void hive.close().finally(() => process.exit(0));
  };
  process.stdout.once('error', leave);
  return { [Symbol.dispose]: () => void process.stdout.off('error', leave) };
}
