/** `echo`: the output is the input, of any length. For tests, and to measure everything but the work. */
import type { Kind, Task } from './kind.ts';

export const echo: Kind = {
  name: 'echo',
  prepare: () => run,
};

function run(task: Task): void | Promise<void> {
  if (task.streamBytes === null) task.putInput();
  else return copy(task);
}

async function copy(task: Task): Promise<void> {
  for await (const chunk of task.chunks()) task.write(chunk);
}
