/** `sleep`: waits as many milliseconds as the input says, and returns that number. */
import { badInput } from './failure.ts';
import type { Kind, Task } from './kind.ts';

/** The longest wait that a timer of Node can do; beyond it, it would fire at once. */
const MILLIS_MAX = 2 ** 31 - 1;

export const sleep: Kind = {
  name: 'sleep',
  prepare: ({ encoding }) => {
    if (encoding !== 'msgpack')
      throw badInput('sleep takes numbers; submit its job with the encoding "msgpack".');
    return run;
  },
};

function run(task: Task): Promise<void> {
  const millis = task.value();
  if (typeof millis !== 'number' || !(millis >= 0) || millis > MILLIS_MAX) {
    throw badInput(`sleep takes a number of milliseconds from 0 to ${MILLIS_MAX}.`);
  }
  const { signal } = task;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted);
      task.putInput();
      resolve();
    }, millis);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
}
