/**
 * Nodes on hosts of their own, made of network namespaces: they find each other with nothing but a key, one is cut off
 * under load and comes back, and any of them answers for any job. Needs root; elsewhere it is skipped, and says why.
 */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { heardOf, until } from './testing/mesh.ts';
import { TestNetwork, whyNoHosts } from './testing/namespaces.ts';
import { Processes, type Running } from './testing/processes.ts';

const reason = whyNoHosts();
if (reason !== null) process.stderr.write(`Tests of nodes on separate hosts are skipped: ${reason}.\n`);
const onHosts = reason === null ? describe : describe.skip;
const TEST_MILLIS = 240_000;
/** Each question is a process. */
const ASK_MILLIS = 500;

let network: TestNetwork | null = null;
let processes: Processes | null = null;
afterEach(async () => {
  await processes?.end();
  network?.destroy();
  processes = null;
  network = null;
});

/** Hosts of which the first has the secret, and all the others a node's key. */
class Hosts {
  readonly net: TestNetwork;
  readonly #all = new Processes();
  #key: string | null = null;

  constructor(...names: readonly string[]) {
    this.net = new TestNetwork(...names);
    network = this.net;
    processes = this.#all;
  }

  run(host: string, ...args: readonly string[]): Running {
    const key = this.#key === null ? {} : { HIVE_KEY: this.#key };
    const env = {
      HIVE_DATA: join(this.#all.folder, host),
      DISCOVERY_PORT: '8080',
      HEARTBEAT_INTERVAL: '500ms',
    };
    return this.#all.hive(args, { within: this.net.host(host).within, env: { ...env, ...key } });
  }
  async output(host: string, ...args: readonly string[]): Promise<string> {
    const running = this.run(host, ...args);
    const code = await running.ended;
    if (code !== 0) throw new Error(`"hive ${args.join(' ')}" ended with ${code}: ${running.text}`);
    return String(running.stdout).trim();
  }

  async node(host: string, ...args: readonly string[]): Promise<Running> {
    const node = this.run(host, 'node', '--slots', '1', '--name', `on-${host}`, ...args);
    await node.saying(/is listening on port/);
    this.#key ??= (await this.output(host, 'key', '--role', 'node')).replace('HIVE_KEY=', '');
    return node;
  }

  /** Asks the node of a host until the answer is as it is to be. */
  ask<T>(host: string, args: readonly string[], is: (answer: T) => boolean): Promise<T> {
    let last: unknown = null;
    return until(
      async () => {
        const running = this.run(host, ...args, '--json');
        const isFine = (await running.ended) === 0;
        last = isFine ? JSON.parse(String(running.stdout)) : running.text;
        return isFine && is(last as T) ? (last as T) : null;
      },
      () => last,
      ASK_MILLIS,
    );
  }
  nodes(host: string, states: Readonly<Record<string, string | RegExp>>): Promise<unknown> {
    return this.ask<{ nodes: { name: string; state: string }[] }>(host, ['nodes'], ({ nodes }) =>
      Object.entries(states).every(([name, state]) =>
        nodes.some((node) => node.name === `on-${name}` && new RegExp(state).test(node.state)),
      ),
    );
  }
  /** Waits until the node of a host remembers a job of another. */
  heardOf(host: string, id: string): Promise<true> {
    return heardOf(join(this.#all.folder, host, 'node-1'), id);
  }
  /** Tasks of so many milliseconds and more, up to the last. */
  submit(host: string, last: number): Promise<string> {
    return this.output(host, 'submit', 'sleep', '--detach', '--range', `51..${last}`);
  }
}
interface Job {
  readonly state: string;
  readonly lastKnownAt?: string;
  readonly nodeName?: string;
}

onHosts('nodes on three hosts', () => {
  test(
    'one is cut off under load and comes back: no job is lost, and every node answers for all of them',
    async () => {
      const hosts = new Hosts('a', 'b', 'c');
      const a = await hosts.node('a');
      await hosts.node('b');
      await hosts.node('c');
      await hosts.nodes('a', { a: 'IDLE', b: 'IDLE', c: 'IDLE' });
      await hosts.nodes('c', { a: 'IDLE', b: 'IDLE', c: 'IDLE' });
      const [ofA, ofC] = [await hosts.submit('a', 190), await hosts.submit('c', 150)];
      await hosts.ask<Job>('a', ['job', ofC], ({ nodeName }) => nodeName === 'on-c');
      // What the others remember is what they have heard, twice a second.
      for (const host of ['a', 'b']) await hosts.heardOf(host, ofC);
      hosts.net.host('c').unplug();
      await a.saying(/Node on-c at 10\.77\.0\.3:8080 is gone without a word/);
      await hosts.nodes('a', { c: 'FAILED' });
      await hosts.ask<Job>('b', ['job', ofC], ({ lastKnownAt }) => lastKnownAt !== undefined);
      // Both sides go on with what is theirs.
      await hosts.ask<Job>('b', ['job', ofA], ({ state }) => state === 'succeeded');
      await hosts.ask<Job>('c', ['job', ofC], ({ state }) => state === 'succeeded');
      hosts.net.host('c').plugIn();
      await hosts.nodes('a', { b: 'IDLE|BUSY', c: 'IDLE|BUSY' });
      await hosts.nodes('c', { a: 'IDLE|BUSY', b: 'IDLE|BUSY' });
      await hosts.ask<Job>(
        'a',
        ['job', ofC],
        (job) => job.state === 'succeeded' && job.lastKnownAt === undefined,
      );
      expect((await hosts.output('c', 'results', ofA)).split('\n')).toHaveLength(140);
    },
    TEST_MILLIS,
  );

  test(
    'a client elsewhere reaches a node by the host of the one that it asked',
    async () => {
      const hosts = new Hosts('a', 'b');
      await hosts.node('a');
      const second = await hosts.node('a', '--port', '8090');
      await second.saying(/has joined/);
      const id = await hosts.output('a', 'submit', 'echo', 'x', '--detach', '--queen', '127.0.0.1:8090');
      const at = ['--queen', '10.77.0.1:8080'];
      await hosts.ask<Job>('b', ['job', id, ...at], ({ state }) => state === 'succeeded');
      expect(await hosts.output('b', 'results', id, ...at)).toBe('x');
    },
    TEST_MILLIS,
  );
});
