import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startQueen } from '@hive/queen';
import { LIMITS, type Role, Session } from '@hive/shared';
import {
  type Access,
  type Address,
  Connection,
  formatKey,
  Keyring,
  LOOPBACK,
  newSecret,
  noteIssued,
  noteRevoked,
  PeerKey,
  secretPath,
  secureAsQueen,
} from '@hive/shared/node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { formatSteps } from '../commands/doctor.ts';
import { Processes } from '../testing/processes.ts';
import type { SessionRole } from './hello.ts';
import { checkSecret } from './secret.ts';
import { checkSession } from './session.ts';
import { failed, ok } from './step.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hive-test-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the secret', () => {
  test('is missed where there is none, with what to do', () => {
    const folder = newFolder();
    const { finding, access } = checkSecret(folder, {});
    expect(access).toBeNull();
    expect(finding).toMatchObject({
      status: 'failed',
      text: expect.stringMatching(/There is no key/),
      advice: [expect.stringMatching(/key --role drone/), expect.stringMatching(/start her/)],
    });
  });

  test('must be a whole file that nobody else may read', () => {
    const folder = newFolder();
    Keyring.ofFolder(folder);
    expect(checkSecret(folder, {})).toMatchObject({ finding: { status: 'ok' }, access: { kind: 'key' } });
    const path = secretPath(folder);
    chmodSync(path, 0o640);
    expect(checkSecret(folder, {}).finding).toMatchObject({
      status: 'failed',
      text: expect.stringMatching(/mode is 640.*chmod 600/),
    });
    writeFileSync(path, 'x', { mode: 0o600 });
    chmodSync(path, 0o600);
    expect(checkSecret(folder, {}).finding).toMatchObject({ text: expect.stringMatching(/is damaged/) });
    rmSync(path);
    mkdirSync(path, { mode: 0o700 });
    expect(checkSecret(folder, {})).toMatchObject({ finding: { status: 'failed' }, access: null });
  });

  test('is not needed where a key was given, and no key is shown', () => {
    const key = formatKey(PeerKey.from(newSecret()[0], 'drone', 'abc'));
    const { finding } = checkSecret(newFolder(), { key });
    expect(finding).toMatchObject({ status: 'ok', text: expect.stringMatching(/key abc, role drone/) });
    expect(finding.text).not.toContain(key.split('.')[4]);
    expect(checkSecret(newFolder(), { key: key.slice(0, -1) }).finding).toMatchObject({ status: 'failed' });
    expect(checkSecret(newFolder(), { insecure: true }).finding).toMatchObject({ status: 'skipped' });
  });
});

describe('the way from an address to a session', () => {
  const keys = Keyring.of(newSecret());
  const keyOf = (role: Role, ring = keys): Access => ({
    kind: 'key',
    key: PeerKey.from(ring.valid[0]!, role, 'abc'),
  });
  async function queenOf(ring: Keyring = keys): Promise<Address> {
    const queen = await startQueen({ port: 0, keys: ring });
    closers.push(() => queen.stop());
    return queen.address;
  }
  interface Told {
    readonly wanted?: SessionRole;
    readonly own?: readonly Address[];
    readonly foreign?: readonly string[];
    readonly folder?: string;
  }
  const examine = (address: Address, access: Access | null, told: Told = {}) =>
    checkSession({
      places: [
        { address: { host: LOOPBACK, port: 1 }, source: 'first' },
        { address, source: 'second' },
      ],
      access,
      wanted: told.wanted,
      evidence: { folder: told.folder ?? newFolder(), own: told.own ?? [], foreign: told.foreign ?? [] },
      open: () => Promise.reject(new Error('must not be opened')),
    });

  test('ends at TCP when there is no key', async () => {
    const address = await queenOf();
    expect(await examine(address, null)).toMatchObject({
      tcp: ok(`${LOOPBACK}:${address.port} (second)`),
      tls: { status: 'skipped', text: 'there is no key' },
      role: { status: 'skipped' },
    });
  });

  test("is good to its end with a Drone's key, which may not submit", async () => {
    const address = await queenOf();
    expect(await examine(address, keyOf('drone'))).toMatchObject({
      tls: { status: 'ok', text: expect.stringMatching(/1\.drone\.abc; she has proved that she is a Queen/) },
      version: { status: 'ok' },
      role: { status: 'ok', text: expect.stringMatching(/may run work/) },
    });
    expect(await examine(address, keyOf('drone'), { wanted: 'client' })).toMatchObject({
      tls: { status: 'ok' },
      role: { status: 'failed', text: expect.stringMatching(/The key is a Drone's.*--role client/) },
    });
  });

  test('ends at TLS with a key that is refused, and says as much as can be known of why', async () => {
    const address = await queenOf();
    const where = `${LOOPBACK}:${address.port}`;
    const foreign = keyOf('client', Keyring.of(newSecret()));
    expect(await examine(address, foreign)).toMatchObject({
      tls: { status: 'failed', text: expect.stringMatching(/of another cluster, or was revoked or retired/) },
      version: { status: 'skipped' },
    });
    expect((await examine(address, foreign, { foreign: [where] })).tls.text).toBe(
      `The Queen at ${where} is of another cluster than the key abc.`,
    );
    expect((await examine(address, foreign, { own: [address] })).tls.text).toMatch(/abc was revoked/);
    const folder = newFolder();
    const at = new Date('2026-01-02T03:04:05Z');
    if (foreign.kind === 'key') noteIssued(folder, foreign.key, null, at);
    noteRevoked(folder, 'abc', at);
    expect((await examine(address, foreign, { folder })).tls.text).toBe(
      'The key abc was revoked at 2026-01-02T03:04:05.000Z.',
    );
  });

  test('ends at TLS when somebody has the same key and is no Queen', async () => {
    const access = keyOf('drone');
    const server = createServer((raw) => {
      const psk = access.kind === 'key' ? access.key.forTls().psk : null;
      secureAsQueen(raw, () => psk).then(
        ({ socket }) => {
          const connection = new Connection(socket, new Session(null), {
            message: () => connection.send(FALSE_WELCOME),
            closed: () => {},
          });
        },
        () => {},
      );
    }).listen(0, LOOPBACK);
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    expect(await examine({ host: LOOPBACK, port }, access)).toMatchObject({
      tls: { status: 'failed', text: expect.stringMatching(/is no Queen: the Welcome is not signed/) },
      role: { status: 'skipped' },
    });
  });

  test('ends at TLS when an insecure Queen listens there, and the other way round', async () => {
    const open = await startQueen({ port: 0, insecure: true });
    closers.push(() => open.stop());
    expect((await examine(open.address, keyOf('client'))).tls).toMatchObject({
      status: 'failed',
      text: expect.stringMatching(/--insecure/),
    });
    const insecure: Access = { kind: 'insecure', isForced: false };
    expect(await examine(await queenOf(), insecure)).toMatchObject({
      version: { status: 'failed', advice: [expect.stringMatching(/--insecure/)] },
    });
  });
});

const FALSE_WELCOME = {
  type: 'Welcome',
  protocol: 1,
  session: '1'.repeat(32),
  queen: '2'.repeat(32) as never,
  incarnation: '3'.repeat(16) as never,
  epoch: 1,
  name: 'false',
  heartbeatMillis: 1_000,
  frameBytesMax: LIMITS.frameBytesMax,
  valueBytesMax: LIMITS.valueBytesMax,
  capabilities: [],
  signature: new Uint8Array(64),
} as const;

test('what has failed comes with what to do', () => {
  const steps = [
    { name: 'TCP', ...ok('there') },
    { name: 'version', ...failed('No.', 'Do this.', 'Or that.') },
  ];
  expect(formatSteps(steps)).toBe(
    '✅ TCP      there\n❌ version  No.\n            → Do this.\n            → Or that.',
  );
});

describe('hive doctor', () => {
  const processes = new Processes();
  beforeAll(async () => void (await processes.startHive(1)));
  afterAll(() => processes.end());
  async function doctor(...args: string[]) {
    const running = processes.hive(['doctor', '--json', ...args]);
    const code = await running.ended;
    const { ok: isWell, steps } = JSON.parse(String(running.stdout));
    const status = Object.fromEntries(
      steps.map((step: { name: string; status: string }) => [step.name, step.status]),
    );
    return { code, isWell, status, names: steps.map(({ name }: { name: string }) => name) };
  }

  test('goes through all steps, and is content where all is well', async () => {
    const { code, isWell, status, names } = await doctor();
    expect([code, isWell]).toEqual([0, true]);
    expect(names).toEqual([
      'secret',
      'interfaces',
      'datagram sent',
      'answer heard',
      'TCP',
      'TLS',
      'version',
      'role',
    ]);
    expect(status).toMatchObject({ secret: 'ok', TCP: 'ok', TLS: 'ok', version: 'ok', role: 'ok' });
  });

  test('says which step failed, and exits with 1', async () => {
    const { code, isWell, status } = await doctor('--queen', '127.0.0.1:1');
    expect([code, isWell]).toEqual([1, false]);
    expect(status).toMatchObject({ TCP: 'failed', version: 'skipped', role: 'skipped' });
  });
});
