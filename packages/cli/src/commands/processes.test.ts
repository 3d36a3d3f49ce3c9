import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes, type Running } from '../testing/processes.ts';

const processes = new Processes();
const { folder } = processes;
let queen: Running;
let drone: Running;
let address = '';
beforeAll(async () => {
  const started = await processes.startHive(1);
  ({ queen, address } = started);
  drone = started.drones[0]!;
});
afterAll(() => processes.end());

async function hive(...args: string[]) {
  const running = processes.hive(args);
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
/** The key of a line that `hive key` prints. */
async function keyLine(role: string): Promise<string> {
  const { stdout } = await hive('key', '--role', role);
  return stdout.trim().replace('HIVE_KEY=', '');
}
const json = async (...args: string[]) => JSON.parse((await hive(...args, '--json')).stdout);

describe('a Queen and a Drone', () => {
  test('say what they do with a single task', async () => {
    const one = processes.hive(['hash'], { input: 'a string' });
    expect(await one.ended).toBe(0);
    const digest = String(one.stdout).slice(0, 8);
    await queen.saying(/👑 Queen is listening on port \d+ \(Swarm Mode\)\.\.\.\n/);
    await queen.saying(/🐝 A Drone connected! drone-0 with 1 slot/);
    await queen.saying(new RegExp(`🎉 Received reply from drone: TaskComplete\\("${digest}\\.\\.\\."\\)\n`));
    await drone.saying(/^🐝 Drone is trying to connect\.\.\.\n✅ Connected to Queen!/);
    await drone.saying(/🚨 Received Work: hash of /);
    await drone.saying(new RegExp(`✅ Work Done! Hash: ${digest}\\.\\.\\.\n`));
  });

  test('show values in full with --verbose', async () => {
    const own = new Processes();
    try {
      const loud = own.hive(['queen', '--port', '0', '--verbose']);
      await loud.saying(/listening on port/);
      const worker = own.hive(['drone', '--slots', '1', '--verbose']);
      await worker.saying(/Connected to Queen/);
      const text = `${'long '.repeat(100_000)}"end"`;
      const job = own.hive(['submit', 'echo', '--lines', '-', '--as', 'text'], { input: text });
      expect(await job.ended).toBe(0);
      const whole = JSON.stringify(text);
      await loud.saying(/🏁/);
      await worker.saying(/✅ Work Done! .* ms\)\n/);
      expect(worker.text.includes(`🚨 Received Work: echo of ${whole} (task 0`)).toBe(true);
      expect(worker.text.includes(`✅ Work Done! Echo: ${whole} (task 0`)).toBe(true);
      expect(loud.text.includes(`🎉 Received reply from drone: TaskComplete(${whole}) (task 0`)).toBe(true);
      expect(loud.text.indexOf('🎉')).toBeLessThan(loud.text.indexOf('🏁'));
    } finally {
      await own.end();
    }
  });

  test('are shown by status, drones and jobs, for people and as one JSON document', async () => {
    expect((await hive('status')).stdout).toMatch(/Drones +1 with 1 slot/);
    expect((await hive('drones')).stdout).toMatch(/^drone-0 +idle +1 /m);
    expect((await hive('jobs')).stdout).toMatch(/succeeded +1\/1 \(100 %\).*hive hash$/m);
    expect(await json('status')).toMatchObject({ drones: 1, slots: 1, store: 'sqlite' });
    expect((await json('drones')).drones).toMatchObject([{ name: 'drone-0', slots: 1, state: 'idle' }]);
    expect((await json('jobs')).jobs).toMatchObject([
      { kind: 'hash', state: 'succeeded', counts: { succeeded: 1 } },
    ]);
  });

  test('tell of one job by any part of its id that only it has, and end it', async () => {
    const { jobs } = await json('jobs');
    const { id } = jobs[0] as { id: string };
    expect((await hive('job', id.slice(0, 15))).stdout).toMatch(new RegExp(`^Job +${id}\n`));
    expect(await json('job', id.slice(-8))).toMatchObject({ id });
    expect((await hive('explain', id)).stdout).toMatch(/has succeeded\.\nOf 1 task: 1 succeeded/);
    expect((await json('explain', id)).lines[0]).toMatch(/"hive hash"/);
    const open = processes.hive(['hash', '-'], { input: null });
    const other = await otherJob(id);
    expect((await hive('cancel', other.slice(-12))).stdout).toMatch(`Job ${other} is cancelled`);
    expect(await json('job', other)).toMatchObject({ state: 'cancelled' });
    open.child.kill('SIGKILL');
    expect(await hive('job', 'ffff')).toMatchObject({
      code: 1,
      stderr: 'hive: There is no job "ffff". "hive jobs" lists them.\n',
    });
  });

  test('are found with --queen from anywhere, too', async () => {
    const elsewhere = processes.hive(['status', '--queen', address], {
      env: { HIVE_DATA: join(folder, 'elsewhere'), HIVE_KEY: await keyLine('client') },
    });
    expect(await elsewhere.ended).toBe(0);
  });

  test('stop in order at the first SIGTERM; the Queen says that the Drone has left', async () => {
    const another = processes.hive([
      'drone',
      '--name',
      'short',
      '--log-file',
      'drone.log',
      '--label',
      'gpu=yes',
      '--allow',
      'echo',
    ]);
    await another.saying(/Connected to Queen/);
    expect((await json('drones')).drones).toContainEqual(
      expect.objectContaining({
        name: 'short',
        kinds: ['echo'],
        labels: expect.objectContaining({ gpu: 'yes' }),
      }),
    );
    another.child.kill('SIGTERM');
    expect(await another.ended).toBe(0);
    await queen.saying(/👋 A Drone left: short/);
    const log = readFileSync(join(folder, 'drone.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(log.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['connecting', 'connected', 'draining', 'stopped']),
    );
  });
});

describe('what cannot be done', () => {
  test('is said in a sentence, with what was tried, when there is no Queen', async () => {
    const running = processes.hive(['status', '--queen', '127.0.0.1:1']);
    expect(await running.ended).toBe(1);
    expect(String(running.stdout)).toBe('');
    expect(String(running.stderr)).toMatch(
      /^hive: No Queen answered\. Tried:\n +127\.0\.0\.1:1 .*\nStart one with/,
    );
    expect(String(running.stderr)).not.toMatch(/ at .*\.ts:/);
  });

  test('is refused with a hint when it was mistyped', async () => {
    expect(await hive('statsu')).toMatchObject({
      code: 1,
      stderr: 'hive: Unknown argument: statsu. Did you mean "hive status"?\n',
    });
    expect((await hive('queen', '--prot', '1')).stderr).toMatch(
      /Unknown argument: prot\. Did you mean --port\?/,
    );
    expect((await hive('queen', '--port', 'x')).stderr).toBe(
      'hive: --port takes a whole number from 0 to 65535.\n',
    );
    expect((await hive('drone', '--label', 'x')).stderr).toMatch(/"x" is not a label/);
    expect((await hive('status', '--queen', 'a:b:c')).stderr).toMatch(/"a:b:c" is not an address/);
  });

  test('is a Queen on a port that is taken, if it was asked for by name', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      const { code, stderr } = await hive('queen', '--port', String(port), '--data', ':memory:');
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`^hive: Port ${port} is taken\\.`));
    } finally {
      server.close();
    }
  });
});

describe('a Queen who no longer answers', () => {
  test('is waited for, until the second Ctrl-C', async () => {
    const own = new Processes();
    try {
      const { queen: frozen } = await own.startHive(1);
      const waiting = own.hive(['hash', '-'], { input: null });
      await frozen.saying(/accepted: hive hash/);
      // She says so before it is durable; whoever is answered after that knows that the client was answered too.
      expect(await own.hive(['jobs']).ended).toBe(0);
      await frozen.freeze();
      waiting.child.kill('SIGINT');
      await waiting.saying(/cancelling; press Ctrl-C again to leave at once/);
      await waiting.saying(/the Queen does not answer; waiting for her to come back/);
      waiting.child.kill('SIGINT');
      expect(await waiting.ended).toBe('SIGINT');
    } finally {
      await own.end();
    }
  });
});

describe('hive up', () => {
  test('starts a Queen and Drones, says how to use them, and ends all of them at Ctrl-C', async () => {
    const up = processes.hive(['up', '--drones', '2', '--slots', '1']);
    const [, found] = await up.saying(/hash --data (\S+) FILE/);
    await up.saying(/Ctrl-C ends all of them/);
    const pids = [...up.text.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid));
    expect(pids.length).toBe(2);
    const running = processes.hive(['hash', '--data', found!], { input: 'x' });
    expect(await running.ended).toBe(0);
    up.child.kill('SIGINT');
    expect(await up.ended).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

describe('a Drone of hive up', () => {
  test('is started again when it was killed', async () => {
    const up = processes.hive(['up', '--drones', '1', '--slots', '1']);
    const [, found] = await up.saying(/hash --data (\S+) FILE/);
    await up.saying(/Ctrl-C ends all of them/);
    const pid = Number(/\(process (\d+)\)/.exec(up.text)?.[1]);
    process.kill(pid, 'SIGSEGV');
    await up.saying(/🔧 drone-1 was lost \(SIGSEGV\); it is started again in 0\.\d s\./);
    const running = processes.hive(['hash', '--data', found!], { input: 'x' });
    expect(await running.ended).toBe(0);
    up.child.kill('SIGINT');
    expect(await up.ended).toBe(0);
  });
});

describe('hive up --data', () => {
  test('keeps jobs for the next time', async () => {
    const data = join(folder, 'kept');
    const start = async () => {
      const up = processes.hive(['up', '--drones', '1', '--slots', '1', '--data', 'kept']);
      const [, found] = await up.saying(/export HIVE_DATA=(\S+)/);
      expect(up.text).toContain(`kept in ${data}.`);
      return { up, at: ['--data', found!] };
    };
    const first = await start();
    const id = (await hive('submit', 'hash', 'kept', '--detach', ...first.at)).stdout.trim();
    await hive('wait', id, ...first.at);
    first.up.child.kill('SIGTERM');
    await first.up.ended;
    const second = await start();
    expect((await hive('results', id, ...second.at)).stdout).toMatch(/^[0-9a-f]{64}\n$/);
    second.up.child.kill('SIGTERM');
    expect(await second.up.ended).toBe(0);
  });
});

async function otherJob(id: string): Promise<string> {
  for (;;) {
    const { jobs } = (await json('jobs')) as { jobs: { id: string }[] };
    const other = jobs.find((job) => job.id !== id);
    if (other !== undefined) return other.id;
  }
}
