/**
 * The order in which the tasks of a graph are sent: every parent before its children, else as they were added. It also
 * finds the cycle that makes one impossible.
 *
 * Cost: linear in tasks and edges, without recursion, because a graph may be a million tasks deep.
 */

/** The tasks of a cycle, each one after the next; the first is repeated at the end. */
export interface Cycle {
  readonly cycle: readonly number[];
}

/** @param parents for every task the positions of its parents */
export function orderOf(parents: readonly (readonly number[])[]): { order: Uint32Array } | Cycle {
  const order = new Uint32Array(parents.length);
  const state = new Uint8Array(parents.length);
  const path: number[] = [];
  /** How many parents of the task at the same place in `path` were looked at. */
  const looked: number[] = [];
  let placed = 0;
  for (let root = 0; root < parents.length; root++) {
    if (state[root] === NEW) enter(root);
    while (path.length > 0) {
      const task = path[path.length - 1]!;
      const parent = parents[task]![looked[looked.length - 1]!++];
      if (parent === undefined) {
        state[task] = PLACED;
        order[placed++] = task;
        path.pop();
        looked.pop();
      } else if (state[parent] === ON_PATH) return { cycle: [...path.slice(path.indexOf(parent)), parent] };
      else if (state[parent] === NEW) enter(parent);
    }
  }
  return { order };

  function enter(task: number): void {
    state[task] = ON_PATH;
    path.push(task);
    looked.push(0);
  }
}

const NEW = 0;
const ON_PATH = 1;
const PLACED = 2;
