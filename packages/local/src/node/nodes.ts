/** Nodes as processes of their own on this machine, for benchmarks: they share a folder and end with this process. */
import { randomInt } from 'node:crypto';
import { Keyring } from '@hive/shared/node';
import { Child } from '../child-process.ts';
import { dataFolder } from '../folder.ts';
import type { NodeConfig, Usage } from '../ipc.ts';

export interface NodesOptions {
  readonly nodes: number;
  readonly slotsPerNode: number;
}
export interface Nodes {
  /** Of each node, `host:port`, in the order in which they were started. */
  readonly addresses: readonly string[];
  /** For `connect`: a node's key. */
  readonly key: string;
  /** What the processes with the Queens have used; their Drones are not counted. */
  rusage(): Promise<readonly Usage[]>;
  stop(): Promise<void>;
}

/** Ports for discovery that nobody else is likely to use. */
const [PORT_LOW, PORT_HIGH] = [20_000, 30_000];

/** Resolves when all of them listen; they find each other by themselves then. @throws UsageError when one cannot start */
export async function startNodes({ nodes, slotsPerNode }: NodesOptions): Promise<Nodes> {
  const folder = dataFolder(undefined);
  const key = Keyring.ofFolder(folder.path).nodeKey();
  const config = { data: folder.path, slots: slotsPerNode, discoveryPort: randomInt(PORT_LOW, PORT_HIGH) };
  const env = { HIVE_KEY: undefined, HIVE_KEY_FILE: undefined, HIVE_INSECURE: undefined };
  const children: Child<NodeConfig, string>[] = [];
  const stop = async () => {
    await Promise.all(children.map((child) => child.stop()));
    folder.remove();
  };
  try {
    const addresses: string[] = [];
    // One after the other: each locks the first folder that is free.
    for (let n = 0; n < nodes; n++) {
      const child = new Child<NodeConfig, string>('entry-node', config, { env });
      children.push(child);
      addresses.push(await child.ready);
    }
    return { addresses, key, rusage: () => Promise.all(children.map((child) => child.rusage())), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
