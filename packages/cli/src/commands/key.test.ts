/** Keys as people use them, on real processes; and a search for them wherever they must not be. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSecret } from '@hive/shared/node';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes, type Running } from '../testing/processes.ts';

const processes = new Processes();
const { folder } = processes;
/** A machine that has nothing but a key. */
const elsewhere = join(folder, 'elsewhere');
const DEBUG = 'hive:*,*';
let queen: Running;
let address = '';

beforeAll(async () => {
  queen = processes.hive(['queen', '--port', '0', '--verbose', '--log-file', 'queen.log'], {
    env: { DEBUG },
  });
  const [, port] = await queen.saying(/listening on port (\d+)/);
  address = `127.0.0.1:${port}`;
});
afterAll(() => processes.end());

/** Everything that any process has said. */
const said: Running[] = [];
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const running = processes.hive(args, { env: { DEBUG, ...env } });
  said.push(running);
  return running;
}
async function hive(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const running = processes.hive(args, { env });
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
const away = (line: string) => ({ HIVE_DATA: elsewhere, HIVE_KEY: line.replace('HIVE_KEY=', '') });
async function makeKey(role: string, ...more: string[]): Promise<string> {
  const { stdout } = await hive(['key', '--role', role, ...more]);
  expect(stdout).toMatch(/^HIVE_KEY=hive1\.\d+\.\w+\.[0-9a-f]{16}\.[\w-]{43}\.[\w-]{43}\.[\w-]{6}\n$/);
  return stdout.trim();
}
const idOf = (line: string) => line.split('.')[3]!;

describe('a key', () => {
  test('is one line to paste, with which another machine runs work, and another submits it', async () => {
    const drone = start(
      ['drone', '--queen', address, '--slots', '1', '--name', 'attic'],
      away(await makeKey('drone')),
    );
    await drone.saying(/Connected to Queen/);
    const client = await makeKey('client', '--name', 'for Bob');
    const done = start(['submit', 'hash', 'abc', '--queen', address], away(client));
    expect(await done.ended).toBe(0);
    expect(String(done.stdout)).toMatch(/^ba7816bf/);
    const observer = away(await makeKey('observer'));
    expect((await hive(['drones', '--queen', address], observer)).stdout).toMatch(/^attic/m);
    expect(await hive(['submit', 'hash', 'x', '--queen', address], observer)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('An observer only looks'),
    });
    expect(await hive(['drone', '--queen', address], away(client))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^hive: The key is a client's, and does not open a session as drone/),
    });
    drone.child.kill('SIGTERM');
    expect(await drone.ended).toBe(0);
  });

  test('is listed, and revoked by the beginning of its id; who has it is told', async () => {
    const line = await makeKey('drone', '--name', 'stolen');
    const thief = start(['drone', '--queen', address, '--slots', '1'], away(line));
    await thief.saying(/Connected to Queen/);
    const revoked = await hive(['key', 'revoke', idOf(line).slice(0, 10)]);
    expect(revoked.stdout).toBe(`Key ${idOf(line)} is revoked; 1 session of it closed.\n`);
    await thief.saying(/is refused there: it was revoked or retired/);
    thief.child.kill('SIGKILL');
    expect((await hive(['key', 'list'])).stdout).toMatch(
      new RegExp(`^${idOf(line)} +drone +revoked +1 .*stolen$`, 'm'),
    );
    const { keys, generations } = JSON.parse((await hive(['key', 'list', '--json'])).stdout);
    expect(generations).toEqual([1]);
    expect(keys).toContainEqual(
      expect.objectContaining({ id: idOf(line), role: 'drone', name: 'stolen', state: 'revoked' }),
    );
  });

  test('is missing: who has none, or a wrong one, is told what to do', async () => {
    const none = await hive(['status', '--queen', address], { HIVE_DATA: elsewhere });
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(
      /^hive: No Queen let us in\. Tried:\n.*There is no key: .*hive key --role client/,
    );
    const line = await makeKey('client');
    const slip = await hive(['status', '--queen', address], away(line.slice(0, -1)));
    expect(slip.stderr).toMatch(/^hive: HIVE_KEY is not a key: a part of it is wrong or missing/);
    const plain = await hive(['status', '--queen', address, '--insecure']);
    expect(plain.stderr).toMatch(/No Queen let us in.*\n.*wants a key.*leave out --insecure/);
    expect(await hive(['key'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^hive: Say for what/),
    });
  });

  test('outlives a rotation, not the retirement; the Queen goes on all the while', async () => {
    const old = await makeKey('client');
    expect((await hive(['key', 'rotate'])).stdout).toMatch(/^New keys are of generation 2;/);
    const young = await makeKey('client');
    for (const line of [old, young])
      expect((await hive(['status', '--queen', address], away(line))).code).toBe(0);
    expect((await hive(['key', 'retire'])).stdout).toMatch(/^Only keys of generation 2 are valid/);
    expect((await hive(['status', '--queen', address], away(old))).stderr).toMatch(/revoked or retired/);
    expect((await hive(['status', '--queen', address], away(young))).code).toBe(0);
    expect((await hive(['status'])).code).toBe(0);
  });
});

describe('without keys', () => {
  test('a Queen says in plain words what that means, and keeps to her own machine', async () => {
    const data = join(folder, 'insecure');
    const open = processes.hive(['queen', '--port', '0', '--insecure', '--data', data]);
    const [, port] = await open.saying(/listening on port (\d+)/);
    await open.saying(/INSECURE: no keys, no encryption/);
    const queenOption = ['--queen', `127.0.0.1:${port}`];
    expect((await hive(['status', ...queenOption, '--insecure'])).code).toBe(0);
    expect((await hive(['status', ...queenOption])).stderr).toMatch(
      /does not speak TLS.*use --insecure here, too/,
    );
    expect((await hive(['key', 'rotate', '--insecure', ...queenOption])).stderr).toMatch(
      /insecure: she has no keys/,
    );
    expect(existsSync(join(data, 'hive.secret'))).toBe(false);
    open.child.kill('SIGTERM');
    await open.ended;
  });

  test('other machines are reached only by force', async () => {
    const bind = ['queen', '--port', '0', '--data', join(folder, 'bind'), '--host', '0.0.0.0'];
    expect((await hive([...bind, '--insecure'])).stderr).toMatch(
      /^hive: --insecure is for this machine only/,
    );
    expect((await hive([...bind, '--insecure=sure'])).stderr).toMatch(/"yes-really" if you mean it/);
    expect((await hive(['status', '--queen', '192.0.2.1:1', '--insecure'])).stderr).toMatch(
      /and 192\.0\.2\.1 is not on it/,
    );
    const forced = processes.hive([...bind, '--insecure=yes-really']);
    await forced.saying(/INSECURE/);
    forced.child.kill('SIGTERM');
    await forced.ended;
  });
});

describe('no key is to be found', () => {
  /** Every form of the secret and of these keys that a search would recognise. */
  const forms = (...lines: string[]): string[] => {
    const secrets = readSecret(join(folder, 'data'))!.map(({ secretText }) => secretText);
    const texts = [...secrets, ...lines.map((line) => line.split('.')[4]!)];
    return texts.flatMap((text) => {
      const bytes = Buffer.from(text, 'base64url');
      return [
        text,
        bytes.toString('hex'),
        bytes.toString('base64'),
        bytes.toString('latin1'),
        [...bytes].join(', '),
      ];
    });
  };
  const found = (text: string, keys: readonly string[]) => keys.filter((key) => text.includes(key));

  test('in what processes say, at their most talkative, nor in the files that they leave', async () => {
    const [client, drone] = [await makeKey('client'), await makeKey('drone')];
    const worker = start(
      ['drone', '--queen', address, '--slots', '1', '--verbose', '--log-file', 'drone.log'],
      away(drone),
    );
    await worker.saying(/Connected to Queen/);
    expect(await start(['submit', 'hash', 'abc', '--queen', address], away(client)).ended).toBe(0);
    await start(['status', '--queen', address], away(client.replace('hive1.2', 'hive1.1'))).ended;
    await start(['status', '--queen', address, '--insecure'], away(client)).ended;
    const keys = forms(client, drone);
    expect(queen.text.length + worker.text.length).toBeGreaterThan(1_000);
    for (const one of [queen, ...said]) expect(found(`${one.text}${one.stderr}`, keys)).toEqual([]);
    const entries = readdirSync(join(folder, 'data'), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || entry.name === 'hive.secret') continue;
      const text = readFileSync(join(entry.parentPath, entry.name), 'latin1');
      expect([entry.name, found(text, keys)]).toEqual([entry.name, []]);
    }
    for (const log of ['queen.log', 'drone.log'])
      expect(found(readFileSync(join(folder, log), 'utf8'), keys)).toEqual([]);
    expect(existsSync(elsewhere) ? readdirSync(elsewhere) : []).toEqual([]);
    if (process.platform === 'linux') {
      for (const { pid } of [queen, worker]) {
        expect(found(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), keys)).toEqual([]);
      }
    }
    worker.child.kill('SIGKILL');
  });

  test('in the arguments or the environment of processes that "hive up" starts', async () => {
    if (process.platform !== 'linux') return;
    const client = await makeKey('client');
    const up = processes.hive(['up', '--drones', '1', '--slots', '1'], { env: away(client) });
    const [, data] = await up.saying(/export HIVE_DATA=(\S+)/);
    const keys = [...forms(client), readSecret(data!)![0].secretText];
    const children = readFileSync(`/proc/${up.pid}/task/${up.pid}/children`, 'utf8').trim().split(' ');
    expect(children.length).toBeGreaterThanOrEqual(2);
    for (const pid of children)
      for (const what of ['cmdline', 'environ']) {
        const text = readFileSync(`/proc/${pid}/${what}`, 'latin1');
        expect(text.length).toBeGreaterThan(0);
        expect(found(text, keys)).toEqual([]);
      }
    expect((await hive(['status', '--data', data!])).code).toBe(0);
    up.child.kill('SIGTERM');
    await up.ended;
  });
});
