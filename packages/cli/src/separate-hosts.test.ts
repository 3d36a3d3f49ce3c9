/**
 * What happens between machines, on hosts made of network namespaces: they find each other, lose each other, and go on.
 * Needs root; elsewhere it is skipped, and says why.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { TestNetwork, whyNoHosts } from './testing/namespaces.ts';
import { Processes, type Running, type RunOptions } from './testing/processes.ts';

const reason = whyNoHosts();
if (reason !== null) process.stderr.write(`Tests on separate hosts are skipped: ${reason}.\n`);
const onHosts = reason === null ? describe : describe.skip;
const TEST_MILLIS = 240_000;
const ENTRY_CLUSTER = join(import.meta.dirname, 'testing/entry-cluster.ts');
const ENTRY_RELAY = join(import.meta.dirname, 'testing/entry-relay.ts');

let network: TestNetwork | null = null;
let processes: Processes | null = null;
afterEach(async () => {
  await processes?.end();
  network?.destroy();
  processes = null;
  network = null;
});

/** Hosts, and a way to run `hive` on each as if it were the only thing there. */
function hosts(...names: readonly string[]) {
  const net = new TestNetwork(...names);
  network = net;
  const all = new Processes();
  processes = all;
  const on = (name: string, args: readonly string[], options: RunOptions = {}) =>
    all.hive(args, {
      within: net.host(name).within,
      ...options,
      env: {
        HIVE_DATA: join(all.folder, name),
        DISCOVERY_PORT: '8080',
        HEARTBEAT_INTERVAL: '500ms',
        ...options.env,
      },
    });
  const output = async (name: string, ...args: string[]) => outputOf(on(name, args));
  const outputOf = async (running: Running) => {
    const code = await running.ended;
    return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
  };
  /** The environment of whoever has a key for this role, made on the host of the Queen. */
  const keyOf = async (name: string, role: string) => {
    const { stdout, stderr } = await output(name, 'key', '--role', role);
    const [, key] = /^HIVE_KEY=(\S+)\n$/.exec(stdout) ?? [];
    if (key === undefined) throw new Error(`"hive key" has said: ${stdout}${stderr}`);
    return { env: { HIVE_KEY: key } };
  };
  return { net, on, output, outputOf, keyOf };
}
const QUEEN = ['queen'];
/** That a text was said so often. */
const times = (text: string, count: number) => new RegExp(`(${text}[\\s\\S]*){${count}}`);
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

onHosts('in one network', () => {
  test(
    'a Queen, a Drone and a client find each other with no address given',
    async () => {
      const { on, keyOf, outputOf } = hosts('a', 'b', 'c');
      const queen = on('a', QUEEN);
      await queen.saying(/listening on port 8080/);
      const [forDrone, forClient] = [await keyOf('a', 'drone'), await keyOf('a', 'client')];
      const drone = on('b', ['drone', '--slots', '1'], forDrone);
      await drone.saying(/Connected to Queen! .* at 10\.77\.0\.1:8080/);
      const hash = on('c', ['hash'], { ...forClient, input: 'far away' });
      expect(await hash.ended).toBe(0);
      expect(String(hash.stdout)).toBe(`${digestOf('far away')}  -\n`);
      for (const [name, key] of [
        ['b', forDrone],
        ['c', forClient],
      ] as const) {
        const { code, stdout } = await outputOf(on(name, ['doctor', '--json'], key));
        expect(JSON.parse(stdout)).toMatchObject({ ok: true });
        expect(code).toBe(0);
      }
    },
    TEST_MILLIS,
  );

  test(
    'whoever has no key, one that was revoked, or one for less, gets no further, and hears why',
    async () => {
      const { on, output, keyOf, outputOf } = hosts('a', 'b');
      await on('a', QUEEN).saying(/listening on port 8080/);
      const key = await keyOf('a', 'client');
      const doctor = async (options: RunOptions, ...args: string[]) => {
        const { code, stdout } = await outputOf(on('b', ['doctor', '--json', ...args], options));
        expect(code).toBe(1);
        const steps = JSON.parse(stdout).steps as { name: string; status: string; text: string }[];
        return steps.find(({ status }) => status === 'failed');
      };
      await on('b', ['drone']).saying(/There is no key: .* run "hive key --role drone" there/);
      expect(await doctor({})).toMatchObject({
        name: 'secret',
        text: expect.stringMatching(/There is no key/),
      });
      expect(await doctor(key, '--role', 'drone')).toMatchObject({
        name: 'role',
        text: expect.stringMatching(/The key is a client's/),
      });
      const [id] = /(?<=1\.client\.)[0-9a-z]+/.exec(key.env.HIVE_KEY)!;
      expect((await output('a', 'key', 'revoke', id)).code).toBe(0);
      expect(await doctor(key)).toMatchObject({
        name: 'TLS',
        text: `The Queen at 10.77.0.1:8080 is of this key's own cluster, and refuses it: the key ${id} was revoked.`,
      });
    },
    TEST_MILLIS,
  );

  test(
    'a Drone that was there first hears of a Queen who starts later',
    async () => {
      const { on, keyOf } = hosts('a', 'b');
      const drone = on('b', ['drone', '--slots', '1'], await keyOf('a', 'drone'));
      await drone.saying(/No Queen at 127\.0\.0\.1:8080/);
      on('a', QUEEN);
      await drone.saying(/Connected to Queen! .* at 10\.77\.0\.1:8080/);
    },
    TEST_MILLIS,
  );

  test(
    'several Queens on one host are all known, on the next free port each',
    async () => {
      const { on, keyOf } = hosts('a', 'b');
      await on('a', [...QUEEN, '--name', 'first']).saying(/listening on port 8080/);
      await on('a', [...QUEEN, '--name', 'second', '--data', ':memory:']).saying(/listening on port 8081/);
      const drone = on('b', ['drone', '--slots', '1'], await keyOf('a', 'drone'));
      await drone.saying(/Connected to Queen! first at 10\.77\.0\.1:8080/);
      await drone.saying(/Connected to Queen! second at 10\.77\.0\.1:8081/);
    },
    TEST_MILLIS,
  );

  test(
    'two clusters keep apart',
    async () => {
      const { on, keyOf } = hosts('a', 'b', 'c');
      const entry = ENTRY_CLUSTER;
      const queens = [on('a', ['queen', 'queen-1'], { entry }), on('b', ['queen', 'queen-2'], { entry })];
      for (const queen of queens) await queen.saying(/listening/);
      const keys = [await keyOf('a', 'drone'), await keyOf('b', 'drone')];
      const drones = keys.map((key, i) => on('c', ['drone', `drone-${i + 1}`], { ...key, entry }));
      await drones[0]!.saying(/connected to queen-1/);
      await drones[1]!.saying(/connected to queen-2/);
      for (const one of drones) await one.saying(/heard strangers/);
      for (const one of queens) await one.saying(/asked by strangers/);
      expect(drones[0]!.text).not.toMatch(/queen-2/);
      expect(drones[1]!.text).not.toMatch(/queen-1/);
      expect(queens.map(({ text }) => text.match(/joined by .*/g))).toEqual([
        ['joined by drone-1'],
        ['joined by drone-2'],
      ]);
    },
    TEST_MILLIS,
  );
});

onHosts('when the network changes', () => {
  test(
    'a Queen who gets another address is found there',
    async () => {
      const { net, on, output, keyOf } = hosts('a', 'b');
      await on('a', QUEEN).saying(/listening/);
      const drone = on('b', ['drone', '--slots', '1'], await keyOf('a', 'drone'));
      await drone.saying(/Connected to Queen! .* at 10\.77\.0\.1:8080/);
      net.host('a').moveTo(9);
      await drone.saying(/Connected to Queen! .* at 10\.77\.0\.9:8080/);
      expect((await output('a', 'status')).stdout).toMatch(/Drones +1 with 1 slot/);
    },
    TEST_MILLIS,
  );

  test(
    'an interface that goes and comes is used again, by both sides',
    async () => {
      const { net, on, keyOf } = hosts('a', 'b');
      const queen = on('a', QUEEN);
      await queen.saying(/listening/);
      const key = await keyOf('a', 'drone');
      const drone = on('b', ['drone', '--slots', '1'], key);
      for (const [round, name] of ['b', 'a'].entries()) {
        await drone.saying(times('Connected to Queen', round + 1));
        await queen.saying(times('A Drone connected', round + 1));
        net.host(name).unplug();
        await queen.saying(times('A Drone left', round + 1));
        net.host(name).plugIn();
      }
      await drone.saying(times('Connected to Queen', 3));
      // A newcomer hears her, too: she announces on the interface that came back.
      const other = on('b', ['drone', '--slots', '1', '--name', 'other'], key);
      await other.saying(/Connected to Queen! .* at 10\.77\.0\.1:8080/);
    },
    TEST_MILLIS,
  );

  test(
    'a partition that heals loses nothing and records nothing twice',
    async () => {
      const { net, on, output, keyOf } = hosts('a', 'b', 'c');
      const queen = on('a', QUEEN);
      await queen.saying(/listening/);
      const key = await keyOf('a', 'drone');
      const drones = ['b', 'c'].map((name) => on(name, ['drone', '--slots', '2', '--name', name], key));
      for (const drone of drones) await drone.saying(/Connected to Queen/);
      const tasks = 400;
      const inputs = Array.from({ length: tasks }, (_, i) => `${i}`).join('\n');
      const job = on('a', ['submit', 'sleep', '--params', '{"millis":50}', '--lines', '-'], {
        input: `${inputs}\n`,
      });
      await queen.saying(/accepted/);
      const [a, b] = [net.host('a'), net.host('b')];
      a.drop('ip', 'saddr', b.address);
      b.drop('ip', 'saddr', a.address);
      await queen.saying(/A Drone left: b/);
      a.openAll();
      b.openAll();
      await queen.saying(/A Drone left: b[\s\S]*A Drone connected! b /);
      expect(await job.ended).toBe(0);
      expect(String(job.stdout).trim().split('\n')).toHaveLength(tasks);
      const status = JSON.parse((await output('a', 'status', '--json')).stdout);
      expect(status).toMatchObject({ drones: 2, tasksRecorded: tasks, tasksRunning: 0, tasksReady: 0 });
    },
    TEST_MILLIS,
  );
});

onHosts('through a bad network', () => {
  test(
    'a Drone that cannot dial is dialled: only listening helps behind a one-way filter',
    async () => {
      const { net, on, keyOf, outputOf } = hosts('a', 'b');
      // The Queen's host takes no datagram and no connection from outside; what it dials itself is fine.
      net.host('a').drop('iif', 'eth0', 'udp', 'dport', '0-65535');
      net.host('a').drop('iif', 'eth0', 'tcp', 'flags', '&', '(syn|ack)', '==', 'syn');
      const queen = on('a', [...QUEEN, '--scan', `${net.host('b').address}:5001-5010`]);
      await queen.saying(/listening/);
      const key = await keyOf('a', 'drone');
      const doctor = JSON.parse((await outputOf(on('b', ['doctor', '--json'], key))).stdout);
      expect(doctor.ok).toBe(false);
      expect(doctor.steps.find(({ name }: { name: string }) => name === 'TCP')).toMatchObject({
        status: 'failed',
        advice: expect.arrayContaining([expect.stringMatching(/let her dial/)]),
      });
      const listening = ['drone', '--slots', '1', '--listen', '5001-5010'];
      const drone = on('b', listening, key);
      await drone.saying(/listening on port 5001/);
      await queen.saying(/A Drone connected/);
      const second = on('b', [...listening, '--name', 'two'], key);
      await second.saying(/listening on port 5002/);
      await queen.saying(/A Drone connected! two/);
      const hash = on('a', ['hash'], { input: 'dialled' });
      expect(await hash.ended).toBe(0);
      expect(String(hash.stdout)).toBe(`${digestOf('dialled')}  -\n`);
      // Lost and found again: the Queen dials anew.
      net.host('b').unplug();
      await queen.saying(times('A Drone left', 2));
      net.host('b').plugIn();
      await queen.saying(times('A Drone connected', 4));
    },
    TEST_MILLIS,
  );

  test(
    'with 50 ms of latency and 2 % of loss, work is found, done, and right',
    async () => {
      const { net, on, keyOf } = hosts('a', 'b');
      for (const name of ['a', 'b']) net.host(name).lose(2);
      await on('a', QUEEN).saying(/listening/);
      let where: string[] = [];
      if (![net.host('a').delay(25), net.host('b').delay(25)].every(Boolean)) {
        process.stderr.write(
          'This kernel cannot delay packets (no netem); a relay delays what the Drone says and hears.\n',
        );
        await on('b', ['9000', `${net.host('a').address}:8080`, '25'], { entry: ENTRY_RELAY }).saying(
          /relaying/,
        );
        where = ['--queen', '127.0.0.1:9000'];
      }
      const drone = on('b', ['drone', '--slots', '2', ...where], await keyOf('a', 'drone'));
      await drone.saying(/Connected to Queen/);
      const count = 5_000;
      const lines = Array.from({ length: count }, (_, i) => `line ${i}`);
      const hash = on('a', ['hash', '--lines', '-'], { input: `${lines.join('\n')}\n` });
      expect(await hash.ended).toBe(0);
      expect(String(hash.stdout)).toBe(`${lines.map(digestOf).join('\n')}\n`);
    },
    TEST_MILLIS,
  );
});
