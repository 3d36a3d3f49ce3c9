import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { accessOf, issuingGeneration, keyringOf } from './access.ts';
import { parseInsecure } from './environment.ts';
import { noteIssued, noteRevoked, readIssued } from './issued.ts';
import { formatKey } from './key-line.ts';
import { Keyring } from './keyring.ts';
import { PeerKey } from './peer-key.ts';
import { ensureSecret, newSecret, readSecret, retireSecret, rotateSecret, secretPath } from './secret.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-secret-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  for (const name of ['HIVE_KEY', 'HIVE_KEY_FILE', 'HIVE_INSECURE']) delete process.env[name];
});

test('keys are made from the secret of the folder', () => {
  expect(issuingGeneration(folder).secretText).toBe(readSecret(folder)![0].secretText);
});

describe('the secret', () => {
  test('is made once, for its owner alone', () => {
    expect(readSecret(folder)).toBeNull();
    const inside = join(folder, 'new', 'folder');
    const [made] = ensureSecret(inside);
    expect(ensureSecret(inside)[0].secretText).toBe(made.secretText);
    expect(statSync(secretPath(inside)).mode & 0o777).toBe(0o600);
    expect(statSync(inside).mode & 0o777).toBe(0o700);
    expect(readdirSync(inside)).toEqual(['hive.secret']);
    expect(newSecret()[0].secretText).not.toBe(made.secretText);
  });

  test('is the same for all of many processes that start at once', async () => {
    const module = join(import.meta.dirname, 'secret.ts');
    const program = `
      const { ensureSecret } = await import(${JSON.stringify(module)});
      process.stdout.write('ready');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      console.log(ensureSecret(process.env.FOLDER)[0].secretText);
      process.exit();`;
    const all = Array.from({ length: 6 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        env: { ...process.env, FOLDER: folder },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (chunk) => {
        said += String(chunk);
      });
      const ready = new Promise((resolve) => child.stdout.once('data', resolve));
      const ended = new Promise<string>((resolve) =>
        child.once('close', () => resolve(said.slice('ready'.length).trim())),
      );
      return { child, ready, ended };
    });
    await Promise.all(all.map(({ ready }) => ready));
    for (const { child } of all) child.stdin.write('go\n');
    const secrets = await Promise.all(all.map(({ ended }) => ended));
    expect(new Set(secrets)).toEqual(new Set([readSecret(folder)![0].secretText]));
  });

  test('is refused when others may read it, with what to do', () => {
    ensureSecret(folder);
    for (const mode of [0o640, 0o604, 0o660, 0o777]) {
      chmodSync(secretPath(folder), mode);
      expect(() => readSecret(folder)).toThrow(`Run "chmod 600 ${secretPath(folder)}"`);
      expect(() => Keyring.ofFolder(folder)).toThrow(/Others may read/);
    }
    chmodSync(secretPath(folder), 0o400);
    expect(readSecret(folder)).not.toBeNull();
  });

  test.each([
    '',
    '{}',
    '[]',
    'null',
    '{"version":2,"generations":[]}',
    '{"version":1,"generations":[{"generation":1,"secret":"AAAA"}]}',
  ])('that is damaged (%j) is refused, and not overwritten', (text) => {
    writeFileSync(secretPath(folder), text, { mode: 0o600 });
    expect(() => ensureSecret(folder)).toThrow(/hive\.secret .*Restore it from a backup/);
    expect(readFileSync(secretPath(folder), 'utf8')).toBe(text);
  });

  test('rotates, keeps the one before until that is retired, and never has three', () => {
    const [first] = ensureSecret(folder);
    const [second, before] = rotateSecret(folder);
    expect([second.number, before!.number, before!.secretText]).toEqual([2, 1, first.secretText]);
    expect(() => rotateSecret(folder)).toThrow(/Generation 1 is still valid/);
    expect(readSecret(folder)!.map(({ number }) => number)).toEqual([2, 1]);
    expect(retireSecret(folder).map(({ secretText }) => secretText)).toEqual([second.secretText]);
    expect(() => retireSecret(folder)).toThrow(/nothing to retire/);
    expect(rotateSecret(folder)[0].number).toBe(3);
    expect(readdirSync(folder)).toEqual(['hive.secret']);
  });

  test('is changed by one process at a time', () => {
    ensureSecret(folder);
    writeFileSync(`${secretPath(folder)}.lock`, '', { mode: 0o600 });
    expect(() => rotateSecret(folder)).toThrow(/Another process is changing/);
    expect(readSecret(folder)).toHaveLength(1);
  });
});

test('a keyring follows its file, and does not lose what it has when that goes away', () => {
  const keys = Keyring.ofFolder(folder);
  const identity = { generation: 2, role: 'drone', keyId: 'a' } as const;
  expect(keys.keyFor(identity)).toBeNull();
  rotateSecret(folder);
  expect(keys.keyFor(identity)).toEqual(readSecret(folder)![0].key(identity));
  expect(keys.generations).toEqual([2, 1]);
  rmSync(secretPath(folder));
  keys.refresh();
  expect(keys.generations).toEqual([2, 1]);
  expect(keys.sign('welcome', new Uint8Array(1), 3)).toBeNull();
});

describe('of all keys that may be named', () => {
  const named = (fill: number, role: 'client' | 'drone' | 'node' = 'client') => {
    const [generation] = newSecret();
    return formatKey(PeerKey.from(generation, role, `key${fill}`));
  };
  const idOf = (options: Parameters<typeof accessOf>[0]) => {
    const access = accessOf({ data: folder, ...options }, 'client')();
    return access.kind === 'insecure' ? access : access.key.keyId;
  };

  test('one whose file is not there, or may be read by others, is refused', () => {
    const file = join(folder, 'key');
    process.env['HIVE_KEY_FILE'] = file;
    expect(() => idOf({})).toThrow(/There is no file .*key, which HIVE_KEY_FILE names/);
    writeFileSync(file, named(1), { mode: 0o644 });
    expect(() => idOf({})).toThrow(`Run "chmod 600 ${file}"`);
    chmodSync(file, 0o600);
    expect(idOf({})).toBe('key1');
    const lasting = accessOf({}, 'client');
    writeFileSync(file, named(5));
    expect(lasting()).toMatchObject({ kind: 'key', key: { keyId: 'key5' } });
    writeFileSync(file, named(1).slice(0, -9));
    expect(() => idOf({})).toThrow(/^The file .*key, which HIVE_KEY_FILE names, is not a key/);
  });

  test('one of another role is refused at once, by peers and by Queens', () => {
    expect(() => accessOf({ key: named(1, 'drone') }, 'client')).toThrow(/is a Drone's, and does not open/);
    expect(() => accessOf({ key: named(1) }, 'drone')).toThrow(/is a client's, and does not open/);
    expect(() => keyringOf({ key: named(1) })).toThrow(/for the role client; a Queen needs a node's/);
    expect(keyringOf({ key: named(1, 'node') })!.generations).toEqual([1]);
    expect(keyringOf({ insecure: true })).toBeNull();
  });

  test('the option counts before HIVE_KEY, that before HIVE_KEY_FILE, that before the secret', () => {
    expect(() => idOf({})).toThrow(/There is no key: no secret at .*hive key --role client/);
    ensureSecret(folder);
    expect(idOf({})).toBe('local');
    const file = join(folder, 'key');
    writeFileSync(file, `# for the attic\n${named(3)}\n`, { mode: 0o600 });
    process.env['HIVE_KEY_FILE'] = file;
    expect(idOf({})).toBe('key3');
    process.env['HIVE_KEY'] = named(2);
    expect(idOf({})).toBe('key2');
    expect(idOf({ key: named(1) })).toBe('key1');
    // It was taken out of the environment, and is known all the same.
    expect(process.env['HIVE_KEY']).toBeUndefined();
    expect(idOf({})).toBe('key2');
    process.env['HIVE_INSECURE'] = '1';
    expect(idOf({})).toEqual({ kind: 'insecure', isForced: false });
    expect(idOf({ key: named(1) })).toBe('key1');
    expect(idOf({ key: named(1), insecure: 'yes-really' })).toEqual({ kind: 'insecure', isForced: true });
  });
});

test('what was handed out is remembered without the keys', () => {
  const [generation] = ensureSecret(folder);
  const key = PeerKey.from(generation, 'drone', 'abc');
  noteIssued(folder, key, 'attic', new Date(0));
  noteIssued(folder, PeerKey.from(generation, 'client', 'def'), null, new Date(1));
  noteRevoked(folder, 'abc', new Date(2));
  noteRevoked(folder, 'elsewhere', new Date(3));
  expect(readIssued(folder)).toEqual([
    {
      id: 'abc',
      role: 'drone',
      name: 'attic',
      generation: 1,
      createdAt: new Date(0).toISOString(),
      revokedAt: new Date(2).toISOString(),
    },
    {
      id: 'def',
      role: 'client',
      name: null,
      generation: 1,
      createdAt: new Date(1).toISOString(),
      revokedAt: null,
    },
  ]);
  const file = readFileSync(join(folder, 'hive.keys'), 'utf8');
  expect(file).not.toContain(key.lineText);
  expect(statSync(join(folder, 'hive.keys')).mode & 0o777).toBe(0o600);
});

test('--insecure has two meanings, and no third', () => {
  expect(
    [undefined, '', '1', 'yes', '0', 'no', 'yes-really'].map((text) => parseInsecure(text, 'it')),
  ).toEqual([false, true, true, true, false, false, 'yes-really']);
  expect(() => parseInsecure('really', 'HIVE_INSECURE')).toThrow(/HIVE_INSECURE is given without a value/);
});
