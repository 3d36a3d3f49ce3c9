/** Values over 1 MiB, in and out, against real Queens and Drones. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, fileStream, type Hive, type OutputStream } from '@hive/client';
import { startDrone } from '@hive/drone';
import { type Queen, startQueen } from '@hive/queen';
import { formatAddress } from '@hive/shared/node';
import { afterEach, describe, expect, test } from '@jest/globals';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const MiB = 2 ** 20;
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
const folders: string[] = [];
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), 'hive-outputs-'));
  folders.push(path);
  return path;
};
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** Files that the Queen keeps for her jobs. */
function spooled(data: string): string[] {
  const names = readdirSync(join(data, 'streams'), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath.split('/').at(-1)}/${name}`);
}
async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(LOOK_MILLIS);
}

class Cluster implements AsyncDisposable {
  readonly data = folder();
  queen!: Queen;
  readonly #drones: ReturnType<typeof startDrone>[] = [];

  async start(port = 0): Promise<void> {
    this.queen = await startQueen({ port, isPortFixed: port !== 0, data: this.data, store: 'sqlite' });
  }
  drone(): ReturnType<typeof startDrone> {
    const drone = startDrone({ queens: () => [this.queen.address], data: this.data, slots: 2 });
    this.#drones.push(drone);
    return drone;
  }
  connect(): Promise<Hive> {
    return connect({ queen: formatAddress(this.queen.address), data: this.data });
  }
  async restart(): Promise<void> {
    const { port } = this.queen.address;
    await this.queen.stop();
    await this.start(port);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const drone of this.#drones) await drone.stop({ drain: false });
    await this.queen.stop();
  }
}
async function cluster(): Promise<Cluster> {
  const made = new Cluster();
  await made.start();
  made.drone();
  return made;
}

describe('an output over 1 MiB', () => {
  const large = randomBytes(3 * MiB + 17);

  test('comes back as any other value: from a call, a map, a job', async () => {
    await using made = await cluster();
    await using hive = await made.connect();
    const raw = { encoding: 'raw' } as const;
    expect(sha256((await hive.call('echo', large, raw)) as Uint8Array)).toBe(sha256(large));
    const inputs = [randomBytes(10), large, randomBytes(20), randomBytes(2 * MiB)];
    const outputs = (await hive.map('echo', inputs, raw)) as Uint8Array[];
    expect(outputs.map(sha256)).toEqual(inputs.map(sha256));
    const iterated = (await collect(hive.map('echo', inputs, { ...raw, ordered: false }))) as Uint8Array[];
    expect(iterated.map(sha256).sort()).toEqual(inputs.map(sha256).sort());
    const job = await hive.submit({ kind: 'echo', inputs, ...raw, attached: false });
    const results = await collect(job.results());
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(results.map(({ value }) => sha256(value as Uint8Array))).toEqual(inputs.map(sha256));
  });

  test('can be read piece by piece, however large', async () => {
    await using made = await cluster();
    await using hive = await made.connect();
    const path = join(folder(), 'input');
    const input = randomBytes(20 * MiB);
    writeFileSync(path, input);
    const [output] = (await hive.map('echo', [fileStream(path)], { streams: true })) as [OutputStream];
    expect(output.bytes).toBe(20 * MiB);
    const digest = createHash('sha256');
    let largest = 0;
    for await (const chunk of output.chunks()) {
      digest.update(chunk);
      largest = Math.max(largest, chunk.length);
    }
    expect(digest.digest('hex')).toBe(sha256(input));
    expect(largest).toBeLessThanOrEqual(256 * 1024);
  });

  test('keeps its type where the encoding has types', async () => {
    await using made = await cluster();
    await using hive = await made.connect();
    const graph = hive.graph('echo');
    const part = 'x'.repeat(MiB - 64);
    const [a, b] = [graph.task(part), graph.task(part)];
    const child = graph.task('child', { after: [a, b] });
    const results = await graph.run();
    expect(results.get(child)).toEqual(['child', [part], [part]]);
  });

  test('survives the Drone that made it, and a restart of the Queen', async () => {
    await using made = await cluster();
    const hive = await made.connect();
    const job = await hive.submit({ kind: 'echo', encoding: 'raw', inputs: [large], attached: false });
    await job.done;
    await hive.close();
    await made.restart();
    await using later = await made.connect();
    const [result] = await collect((await later.open(job.id)).results());
    expect(sha256(result!.value as Uint8Array)).toBe(sha256(large));
  });

  test('of an attached job goes once it was read; of a detached one with its job', async () => {
    await using made = await cluster();
    const hive = await made.connect();
    await hive.call('echo', large, { encoding: 'raw' });
    await until(() => spooled(made.data).length === 0);
    const job = await hive.submit({
      kind: 'echo',
      encoding: 'raw',
      inputs: [large],
      attached: false,
    });
    await collect(job.results());
    await job.done;
    expect(spooled(made.data)).toEqual(['out/0']);
    await hive.gc(job.id);
    await until(() => spooled(made.data).length === 0);
    await hive.close();
  });
});

describe('an input over 1 MiB of a detached job', () => {
  test('is with the Queen when the job is sealed, so its client may leave', async () => {
    await using made = new Cluster();
    await made.start();
    const input = randomBytes(5 * MiB);
    const hive = await made.connect();
    const job = await hive.submit({ kind: 'hash', inputs: [input, 'small'], attached: false });
    await hive.close();
    expect(spooled(made.data)).toEqual(['in/0']);
    await made.restart();
    made.drone();
    await using later = await made.connect();
    const results = await collect((await later.open(job.id)).results());
    expect(results[0]!.value).toBe(sha256(input));
    await until(() => spooled(made.data).length === 0);
  });

  test('that cannot be read fails its task, with the reason', async () => {
    await using made = await cluster();
    await using hive = await made.connect();
    const broken = { bytes: 2 * MiB, read: () => Promise.reject(new Error('the tape tore')) };
    const job = await hive.submit({ kind: 'hash', inputs: [broken], attached: false, retries: 0 });
    const [result] = await collect(job.results());
    expect(result).toMatchObject({ outcome: 'failed' });
    expect(result!.error!.message).toMatch(/tape tore|no such stream/);
  });
});

test('a stream that nobody has any more is refused in words', async () => {
  await using made = await cluster();
  await using hive = await made.connect();
  const job = await hive.submit({
    kind: 'echo',
    encoding: 'raw',
    inputs: [randomBytes(2 * MiB)],
    attached: false,
  });
  await job.done;
  const iterator = job.results({ streams: true });
  const { value } = await iterator.next();
  rmSync(join(made.data, 'streams', job.id), { recursive: true });
  await expect((value.value as OutputStream).whole()).rejects.toMatchObject({
    code: 'streamFailed',
    message: expect.stringContaining('no such stream'),
  });
});
