/** For tests: nodes in processes of their own, clients of them, and conditions that are waited for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Hive, type JobInfo, type NodeInfo } from '@hive/client';
import { Processes, type Running, type RunOptions } from './processes.ts';

/** What has not come by then will not come. */
const WAIT_MILLIS_MAX = 100_000;
const LOOK_MILLIS = 200;

export interface TestNode {
  readonly running: Running;
  readonly name: string;
  /** host:port */
  readonly address: string;
  /** URL under which the paths of its HTTP API lie. */
  readonly api: string;
}

/** Waits until a node remembers a job of another: while its owner is there, only the store in the node's folder tells. */
export function heardOf(folder: string, id: string): Promise<true> {
  return until(async () => {
    const database = new DatabaseSync(join(folder, 'hive.db'), { readOnly: true });
    try {
      const found = database.prepare('SELECT 1 FROM jobs_elsewhere WHERE id = ?').get(id);
      return found === undefined ? null : true;
    } finally {
      database.close();
    }
  });
}

/** Resolves with what `look` finds once that is something. @throws Error when it never does, with what was seen last */
export async function until<T>(
  look: () => Promise<T | null>,
  seen: () => unknown = () => '',
  lookMillis = LOOK_MILLIS,
): Promise<T> {
  const deadline = performance.now() + WAIT_MILLIS_MAX;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`it did not come: ${JSON.stringify(seen())}`);
    await sleep(lookMillis);
  }
}

/** Nodes on this machine, with a data folder of their own. */
export class TestMesh {
  readonly processes = new Processes();
  readonly #port: string;
  readonly #clients: Hive[] = [];

  /** @param discoveryPort by which they find each other, and nobody else */
  constructor(discoveryPort: number) {
    this.#port = String(discoveryPort);
  }

  get data(): string {
    return join(this.processes.folder, 'data');
  }

  async start(args: readonly string[] = [], options: RunOptions = {}): Promise<TestNode> {
    const env = { DISCOVERY_PORT: this.#port, HEARTBEAT_INTERVAL: '500ms', ...options.env };
    const running = this.processes.hive(['node', '--port', '0', '--api-port', '0', '--slots', '1', ...args], {
      ...options,
      env,
    });
    const [, name, port] = await running.saying(/Node (\S+) is listening on port (\d+)/);
    const [, api] = await running.saying(/HTTP API is at (\S+)/);
    return { running, name: name!, address: `127.0.0.1:${port}`, api: api! };
  }

  async client({ address }: TestNode): Promise<Hive> {
    const hive = await connect({ queen: address, data: this.data, discoveryPort: 0, timeoutMillis: 20_000 });
    this.#clients.push(hive);
    return hive;
  }

  /** Waits until a node knows of nodes that are as they are to be; returns them. */
  nodes(hive: Hive, are: (nodes: readonly NodeInfo[]) => boolean): Promise<readonly NodeInfo[]> {
    let last: readonly NodeInfo[] = [];
    return until(
      async () => {
        last = await hive.nodes();
        return are(last) ? last : null;
      },
      () => last,
    );
  }

  /** Waits until so many Drones work for a node. */
  drones(hive: Hive, count: number): Promise<true> {
    let last = -1;
    return until(
      async () => {
        last = (await hive.drones()).length;
        return last === count ? true : null;
      },
      () => last,
    );
  }

  /** Waits until a job is as it is to be, asked at this node. */
  job(hive: Hive, id: string, is: (job: JobInfo) => boolean): Promise<JobInfo> {
    let last: unknown = null;
    return until(
      async () => {
        const job = await hive.job(id).catch((error: Error) => error);
        last = job instanceof Error ? job.message : job;
        return !(job instanceof Error) && is(job) ? job : null;
      },
      () => last,
    );
  }

  /** Waits until a node remembers a job of another. */
  heardOf({ name }: TestNode, id: string): Promise<true> {
    return heardOf(join(this.data, `node-${name.slice(name.lastIndexOf('-') + 1)}`), id);
  }

  async end(): Promise<void> {
    await this.processes.end();
    await Promise.all(this.#clients.map((hive) => hive.close()));
  }
}

/** Processes that a process has started. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text.trim() !== '')
    .map(Number);
}
