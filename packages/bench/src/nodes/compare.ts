/**
 * A mesh beside one Queen: the same hash work, on as many slots of the same machine, given to one node, shared out to all
 * of them, and given to one Queen with a Drone for each. They take turns, because only a ratio within one round means
 * anything on a shared machine.
 */
import { connect, type Hive } from '@hive/client';
import { startNodes, startProcesses } from '@hive/local';
import { type Hardware, hardware } from '../hardware.ts';
import { type Spread, spread } from '../stats.ts';

export interface NodesBenchOptions {
  readonly nodes: number;
  readonly slots: number;
  readonly tasks: number;
  /** Bytes that each task makes from a seed and hashes. */
  readonly size: number;
  readonly runs: number;
}
export interface NodesReport extends NodesBenchOptions {
  readonly bench: 'nodes';
  readonly method: string;
  readonly hardware: Hardware;
  /** Tasks per second. */
  readonly oneQueen: Spread;
  readonly oneNode: Spread;
  readonly allNodes: Spread;
  /** Of one Queen's speed, round by round. */
  readonly oneNodeShare: Spread;
  readonly allNodesShare: Spread;
}

const WARM_UPS = 2;
const LOOK_MILLIS = 50;

export async function compareNodes(
  options: NodesBenchOptions,
  say: (line: string) => void,
): Promise<NodesReport> {
  const { nodes, slots, tasks, size, runs } = options;
  await using stack = new AsyncDisposableStack();
  const queen = await oneQueen(stack, nodes, slots);
  const mesh = await aMesh(stack, nodes, slots);
  const ways: readonly (readonly Hive[])[] = [[queen], [mesh[0]!], mesh];
  const rates: number[][] = ways.map(() => []);
  for (let round = -WARM_UPS; round < runs; round++) {
    for (const [k, hives] of ways.entries()) {
      const perSecond = await rateOf(hives, tasks, size);
      if (round >= 0) rates[k]!.push(perSecond);
    }
    if (round < 0) continue;
    const [a, b, c] = rates.map((list) => Math.round(list[round]!).toLocaleString('en'));
    say(`run ${round + 1}: one Queen ${a} tasks/s, one node ${b}, all nodes ${c}`);
  }
  const [ofQueen, ofNode, ofAll] = rates as [number[], number[], number[]];
  const share = (list: readonly number[]) => spread(list.map((rate, i) => rate / ofQueen[i]!));
  return {
    bench: 'nodes',
    method: `SHA-256 of ${tasks.toLocaleString('en')} strings of ${size} bytes, each made on the Drone from a seed; ${nodes} nodes with ${slots} slots each, beside one Queen with ${nodes} such Drones`,
    hardware: hardware(),
    ...options,
    oneQueen: spread(ofQueen),
    oneNode: spread(ofNode),
    allNodes: spread(ofAll),
    oneNodeShare: share(ofNode),
    allNodesShare: share(ofAll),
  };
}

async function oneQueen(stack: AsyncDisposableStack, drones: number, slots: number): Promise<Hive> {
  const processes = await startProcesses({ drones, slotsPerDrone: slots, store: 'sqlite' });
  stack.defer(() => processes.stop());
  return stack.use(await connect({ ...processes.access, name: 'bench' }));
}

async function aMesh(stack: AsyncDisposableStack, count: number, slots: number): Promise<Hive[]> {
  const nodes = await startNodes({ nodes: count, slotsPerNode: slots });
  stack.defer(() => nodes.stop());
  const hives: Hive[] = [];
  for (const queen of nodes.addresses)
    hives.push(stack.use(await connect({ queen, key: nodes.key, discoveryPort: 0, name: 'bench' })));
  for (const hive of hives) {
    while ((await hive.drones()).length < count)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
  }
  return hives;
}

/** Shares the tasks out, runs all, and looks at every outcome. Returns tasks per second. */
async function rateOf(hives: readonly Hive[], tasks: number, size: number): Promise<number> {
  const start = performance.now();
  const each = Math.ceil(tasks / hives.length);
  await Promise.all(
    hives.map(async (hive, n) => {
      const count = Math.min(each, tasks - n * each);
      const range = { start: n * each, step: 1, count };
      const job = await hive.submit({ kind: 'hash', params: { generate: size }, range });
      let done = 0;
      for await (const { outcome } of job.results()) if (outcome === 'succeeded') done++;
      if (done !== count) throw new Error(`${done} of ${count} tasks succeeded`);
    }),
  );
  return (tasks / (performance.now() - start)) * 1000;
}
