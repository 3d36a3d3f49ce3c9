/** `echo`: the output is the input. For tests, and to measure everything but the work. */
import type { Kind, Task } from './kind.ts';

export const echo: Kind = {
  name: 'echo',
  prepare: () => run,
};

function run(task: Task): void {
  task.putInput();
}
