/** Nodes as a person starts them, on one machine: they share their work, and each can be killed, frozen or sent away. */
import { join } from 'node:path';
import type { Hive } from '@hive/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { childrenOf, TestMesh, type TestNode, until } from '../testing/mesh.ts';

const TEST_MILLIS = 180_000;
/** Of this test file only. */
const DISCOVERY_PORT = 18_441;
const newMesh = () => new TestMesh(DISCOVERY_PORT);
const submit = (hive: Hive, count: number) =>
  hive.submit({ kind: 'hash', range: { start: 0, step: 1, count }, attached: false });
interface Listed {
  readonly job_id: string;
  readonly command?: string;
  readonly target_node: string;
  readonly last_known?: boolean;
}
/** All jobs that an API lists, two at a time. */
async function listed(api: string): Promise<Listed[]> {
  const jobs: Listed[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const answer = await fetch(`${api}/jobs?limit=2${more}`);
    const page = (await answer.json()) as { jobs: Listed[]; next_cursor: string | null };
    jobs.push(...page.jobs);
    cursor = page.next_cursor;
  }
  return jobs;
}
const stateOf = (name: string, state: string) => (known: readonly { name: string; state: string }[]) =>
  known.some((node) => node.name === name && node.state === state);

describe('three nodes on one machine', () => {
  let mesh: TestMesh;
  let nodes: TestNode[];
  let clients: Hive[];
  /** Nodes whose Drones work for all of them, and a client of each. What one test does to them is over when it ends. */
  beforeAll(async () => {
    mesh = newMesh();
    nodes = [await mesh.start(), await mesh.start(), await mesh.start()];
    clients = await Promise.all(nodes.map((node) => mesh.client(node)));
    for (const hive of clients) {
      await mesh.nodes(hive, (known) => known.length === 3 && known.every(({ slots }) => slots === 1));
      await mesh.drones(hive, 3);
    }
  }, TEST_MILLIS);
  afterAll(() => mesh.end());

  test(
    'find each other, share the work of each, and answer for the jobs of all',
    async () => {
      const [a, b, c] = clients as [Hive, Hive, Hive];
      expect(new Set(nodes.map(({ name }) => name)).size).toBe(3);
      const jobs = await Promise.all(clients.map((hive) => submit(hive, 300_000)));
      for (const [n, { id }] of jobs.entries()) {
        const other = clients[(n + 1) % 3]!;
        expect(await (await other.open(id)).done).toMatchObject({ state: 'succeeded' });
        const seen = await other.job(id);
        expect(seen).toMatchObject({ state: 'succeeded', nodeName: nodes[n]!.name, nodeEpoch: 1 });
        expect(seen.lastKnownAt).toBeUndefined();
      }
      for (const hive of clients) {
        const drones = await hive.drones();
        expect(drones.filter(({ tasksDone }) => tasksDone > 0)).toHaveLength(3);
      }
      const texts: unknown[] = [];
      const { id } = await a.submit({ kind: 'echo', inputs: ['x', 'y'], attached: false });
      for await (const result of (await b.open(id)).results()) texts.push(result.value);
      expect(texts).toEqual(['x', 'y']);
      expect((await c.explain(id))[0]).toContain('has succeeded');
      expect((await c.task(id, 1)).state).toBe('recorded');
      const everywhere = await c.jobs({ everywhere: true });
      for (const job of jobs) expect(everywhere.map((info) => info.id)).toContain(job.id);
      const long = await a.submit({ kind: 'sleep', inputs: [600_000], attached: false });
      expect((await b.cancel(long.id)).state).toBe('cancelled');
      await expect(b.job('018f3c5e-7a10-7c3e-9f2b-3d5a60c41e77')).rejects.toThrow('There is no job');
    },
    TEST_MILLIS,
  );

  test(
    'a job can be pinned to the Drone of one of them',
    async () => {
      const [a, b] = nodes as [TestNode, TestNode];
      const args = ['--queen', a.address, '--target-node', b.name, '--retries', '0'];
      const echo = mesh.processes.hive(['submit', 'echo', '1', '2', '3', '--detach', ...args]);
      expect(await echo.ended).toBe(0);
      const id = String(echo.stdout).trim();
      const hive = await mesh.client(a);
      await mesh.job(hive, id, ({ state }) => state === 'succeeded');
      for (const index of [0, 1, 2])
        expect((await hive.task(id, index)).attempts.map(({ drone }) => drone)).toEqual([b.name]);
      const unknown = mesh.processes.hive([
        'submit',
        'echo',
        '1',
        '--queen',
        a.address,
        '--target-node',
        'attic',
      ]);
      expect(await unknown.ended).not.toBe(0);
      expect(unknown.text).toContain('There is no node "attic". Known here:');
      const table = mesh.processes.hive(['nodes', '--queen', a.address]);
      expect(await table.ended).toBe(0);
      for (const { name } of nodes) expect(table.text).toContain(name);
    },
    TEST_MILLIS,
  );

  test(
    'one is frozen under load: the work of the others goes on without it, and its own when it thaws',
    async () => {
      const [a] = clients as [Hive, Hive, Hive];
      const victim = nodes[2]!;
      const jobs = await Promise.all(clients.map((hive) => submit(hive, 300_000)));
      const pids = [victim.running.pid, ...childrenOf(victim.running.pid)];
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      try {
        await mesh.nodes(a, stateOf(victim.name, 'FAILED'));
        for (const { id } of jobs.slice(0, 2))
          await mesh.job(
            a,
            id,
            ({ state, lastKnownAt }) => state === 'succeeded' && lastKnownAt === undefined,
          );
      } finally {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
      }
      await mesh.nodes(a, (known) => known.every(({ state }) => state !== 'FAILED'));
      await mesh.job(a, jobs[2]!.id, ({ state }) => state === 'succeeded');
    },
    TEST_MILLIS,
  );

  test(
    'one is killed under load: it is noticed at once, its jobs are remembered, and go on when it is back',
    async () => {
      const [a, b] = clients as [Hive, Hive, Hive];
      const victim = nodes[2]!;
      const counts = [300_000, 300_000, 1_500_000];
      const jobs = await Promise.all(clients.map((hive, n) => submit(hive, counts[n]!)));
      const lost = jobs[2]!;
      // What the others remember is what they have heard, twice a second.
      for (const node of nodes.slice(0, 2)) await mesh.heardOf(node, lost.id);
      victim.running.child.kill('SIGKILL');
      await victim.running.ended;
      await mesh.nodes(b, stateOf(victim.name, 'FAILED'));
      const known = await mesh.job(b, lost.id, ({ lastKnownAt }) => lastKnownAt !== undefined);
      // Whether its first task had begun when they last heard of it, or not.
      expect(known).toMatchObject({ id: lost.id, nodeName: victim.name });
      expect(['waiting', 'running']).toContain(known.state);
      await expect(b.open(lost.id)).rejects.toThrow(`belongs to the node ${victim.name}, which is away`);
      for (const hive of [a, b]) await mesh.drones(hive, 2);
      nodes[2] = await mesh.start();
      expect(nodes[2].name).toBe(victim.name);
      for (const [n, { id }] of jobs.entries()) {
        const job = await mesh.job(n === 0 ? b : a, id, ({ endedAt }) => endedAt !== undefined);
        expect(job).toMatchObject({ state: 'succeeded', counts: { succeeded: counts[n]! } });
      }
    },
    TEST_MILLIS,
  );

  test(
    'one that leaves by Ctrl-C finishes what its Drone runs, for whomever it runs, and says goodbye',
    async () => {
      const [a, b] = clients as [Hive, Hive, Hive];
      const leaving = nodes[2]!;
      const label = { node: leaving.name };
      const job = await a.submit({
        kind: 'sleep',
        inputs: [2_000],
        labels: label,
        attached: false,
        retries: 0,
      });
      await mesh.job(a, job.id, ({ counts }) => counts.running === 1);
      await mesh.nodes(b, stateOf(leaving.name, 'BUSY'));
      leaving.running.child.kill('SIGINT');
      await mesh.nodes(b, stateOf(leaving.name, 'DRAINING'));
      expect(await leaving.running.ended).toBe(0);
      await mesh.nodes(b, (known) => known.length === 2);
      expect((await a.task(job.id, 0)).attempts).toMatchObject([
        { outcome: 'succeeded', drone: leaving.name },
      ]);
    },
    TEST_MILLIS,
  );
});

describe('nodes', () => {
  let mesh: TestMesh;
  beforeEach(() => {
    mesh = newMesh();
  });
  afterEach(() => mesh.end());

  test(
    'a command that curl gives to one node is answered for by another, over HTTP, also while its node is away',
    async () => {
      const [a, b] = [await mesh.start(), await mesh.start()];
      const hive = await mesh.client(b);
      await mesh.nodes(hive, (known) => known.length === 2);
      const given = await fetch(`${a.api}/jobs`, {
        method: 'POST',
        body: JSON.stringify({ command: 'echo Hello from the mesh!' }),
      });
      const { job_id: id, target_node: node } = (await given.json()) as {
        job_id: string;
        target_node: string;
      };
      expect(node).toBe(a.name);
      const seen = async () => (await (await fetch(`${b.api}/jobs/${id}`)).json()) as Record<string, unknown>;
      const done = await until(async () => {
        const job = await seen();
        return job['status'] === 'JOB_COMPLETED' ? job : null;
      });
      expect(done).toMatchObject({ target_node: a.name, result: { stdout: 'Hello from the mesh!\n' } });
      // Any node lists the jobs of all, page by page.
      await fetch(`${b.api}/jobs`, { method: 'POST', body: JSON.stringify({ command: 'echo of b' }) });
      await fetch(`${a.api}/jobs`, { method: 'POST', body: JSON.stringify({ command: 'echo of a' }) });
      for (const api of [a.api, b.api]) {
        const jobs = await listed(api);
        expect(jobs.map(({ command }) => command)).toEqual([
          'echo of a',
          'echo of b',
          'echo Hello from the mesh!',
        ]);
        expect(jobs.map(({ target_node }) => target_node)).toEqual([a.name, b.name, a.name]);
        expect(jobs.every((job) => job.last_known === undefined)).toBe(true);
      }
      await mesh.heardOf(b, id);
      a.running.child.kill('SIGKILL');
      await mesh.nodes(hive, stateOf(a.name, 'FAILED'));
      expect(await seen()).toMatchObject({ job_id: id, last_known: true });
      const left = await listed(b.api);
      expect(left).toContainEqual(expect.objectContaining({ job_id: id, last_known: true }));
      expect(left.find(({ command }) => command === 'echo of b')!.last_known).toBeUndefined();
      const table = mesh.processes.hive(['jobs', '--queen', b.address]);
      expect(await table.ended).toBe(0);
      expect(table.text).toContain(`(${a.name})`);
      // What only its node can do has to wait for it.
      for (const [method, path] of [
        ['DELETE', ''],
        ['GET', '/results'],
        ['GET', '/tasks/0'],
      ] as const) {
        const refused = await fetch(`${b.api}/jobs/${id}${path}`, { method });
        expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
        const problem = (await refused.json()) as Record<string, string>;
        expect(problem).toMatchObject({
          code: 'node_away',
          node_id: a.name,
          instance: `/api/v1/jobs/${id}${path}`,
        });
        expect(Date.parse(problem['last_heartbeat']!)).toBeGreaterThan(0);
        expect(problem['detail']).toMatch(
          new RegExp(
            `belongs to the node ${a.name}, which is away, last heard of at .*Z. .*ask again when it is back`,
          ),
        );
      }
      await expect(hive.cancel(id)).rejects.toMatchObject({
        code: 'nodeAway',
        message: expect.stringMatching(`belongs to the node ${a.name}, which is away, last heard of`),
      });
      await expect(hive.retry(id)).rejects.toMatchObject({ code: 'nodeAway' });
      const waiting = mesh.processes.hive(['wait', id, '--queen', b.address]);
      expect(await waiting.ended).not.toBe(0);
      expect(waiting.text).toContain(`belongs to the node ${a.name}, which is away; it goes on`);
      const peers = (await (await fetch(`${b.api}/peers`)).json()) as {
        peers: { node_id: string; status: string }[];
      };
      expect(peers.peers.map(({ node_id, status }) => `${node_id} ${status}`)).toContain(`${a.name} FAILED`);
    },
    TEST_MILLIS,
  );

  test(
    'a key that is revoked at one node opens no session at any',
    async () => {
      const [a, b] = [await mesh.start(), await mesh.start()];
      const hive = await mesh.client(a);
      await mesh.nodes(hive, (known) => known.length === 2);
      const made = mesh.processes.hive(['key', '--role', 'client']);
      expect(await made.ended).toBe(0);
      const key = String(made.stdout).trim().replace('HIVE_KEY=', '');
      const [, , , id] = key.split('.');
      const status = (node: TestNode) =>
        mesh.processes.hive(['status', '--queen', node.address], { env: { HIVE_KEY: key } });
      expect(await status(b).ended).toBe(0);
      await hive.revokeKey(id!);
      await b.running.saying(new RegExp(`${id}`));
      expect(await status(b).ended).not.toBe(0);
    },
    TEST_MILLIS,
  );

  test(
    'a node whose key is of a retired generation says so and what to do, and is in the mesh again with a new one',
    async () => {
      const a = await mesh.start();
      const hive = async (...args: string[]) => {
        const running = mesh.processes.hive(args);
        expect(await running.ended).toBe(0);
        return running;
      };
      const nodeKey = async () => {
        const made = await hive('key', '--role', 'node', '--name', 'of desk');
        return String(made.stdout).trim().replace('HIVE_KEY=', '');
      };
      const start = async (key: string) =>
        mesh.start(['--name', 'desk'], {
          env: { HIVE_DATA: join(mesh.processes.folder, 'desk'), HIVE_KEY: key },
        });
      const old = await nodeKey();
      const rotated = await hive('key', 'rotate');
      expect(rotated.text).toMatch(
        /started with HIVE_KEY does not get the new secret.*\(of desk\).*before "hive key retire"/,
      );
      // The old key lets its node in, but its node does not know the new one.
      const b = await start(old);
      await b.running.saying(new RegExp(`Node ${a.name} at .* has joined`));
      await a.running.saying(
        /Node desk at .* does not take this node's key: it was started with HIVE_KEY of another generation/,
      );
      const retired = await hive('key', 'retire');
      expect(retired.text).toMatch(/HIVE_KEY of an older generation is on its own now.*\(of desk\)/);
      await b.running.saying(
        new RegExp(
          `Node ${a.name} at .* does not take this node's key any more.*Run "hive key --role node" where`,
        ),
      );
      await mesh.drones(await mesh.client(a), 1);
      // On its own it goes on.
      const given = await fetch(`${b.api}/jobs`, { method: 'POST', body: '{"command": "true"}' });
      const { job_id: id } = (await given.json()) as { job_id: string };
      await until(async () => {
        const job = (await (await fetch(`${b.api}/jobs/${id}`)).json()) as { status: string };
        return job.status === 'JOB_COMPLETED' ? true : null;
      });
      b.running.child.kill('SIGKILL');
      await b.running.ended;
      await start(await nodeKey());
      await mesh.nodes(await mesh.client(a), (known) =>
        known.some(({ name, state }) => name === 'desk' && state !== 'FAILED'),
      );
    },
    TEST_MILLIS,
  );

  test(
    "a node's Drone may die: its Queen and her jobs stay, and another Drone takes its place",
    async () => {
      const node = await mesh.start();
      const hive = await mesh.client(node);
      await mesh.drones(hive, 1);
      const job = await hive.submit({ kind: 'sleep', inputs: [1, 500, 1], attached: false });
      const [drone] = childrenOf(node.running.pid);
      process.kill(drone!, 'SIGKILL');
      await node.running.saying(/Drone has ended \(SIGKILL\); it is started again/);
      await mesh.job(hive, job.id, ({ state }) => state === 'succeeded');
      const [next] = await until(async () => {
        const children = childrenOf(node.running.pid);
        return children.length === 1 ? children : null;
      });
      expect(next).not.toBe(drone);
    },
    TEST_MILLIS,
  );

  test(
    'a node that is not heard of is dropped after --peer-timeout',
    async () => {
      const [a, b] = [await mesh.start(['--peer-timeout', '2s']), await mesh.start()];
      const hive = await mesh.client(a);
      await mesh.nodes(hive, (known) => known.length === 2);
      b.running.child.kill('SIGKILL');
      await mesh.nodes(hive, stateOf(b.name, 'FAILED'));
      await mesh.nodes(hive, (known) => known.length === 1);
    },
    TEST_MILLIS,
  );
});
