import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendValue, jobId, LIMITS, leaseNumber, type Message, PageBuilder, readValues } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Drone, startDrone } from '../runtime.ts';
import { FakeQueen } from '../testing/fake-queen.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const JOB = jobId('01900000-0000-7000-8000-000000000001');
const KIND = new URL('../testing/blob-kind.ts', import.meta.url).href;
const hashOf = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
let queen: FakeQueen;
let drone: Drone;
let leases = 0;

beforeEach(async () => {
  queen = await FakeQueen.listen();
  leases = 0;
});
afterEach(async () => {
  await drone.stop({ drain: false });
  await queen.stop();
});

async function begin(slots = 1, blobBytesMax?: number): Promise<void> {
  drone = startDrone({
    queens: () => [queen.address],
    insecure: true,
    slots,
    kindModules: { blob: KIND },
    ...(blobBytesMax === undefined ? {} : { blobBytesMax }),
  });
  await queen.next('Holdings');
  let credit = 0;
  while (credit < slots) credit += (await queen.next('TaskRequest')).slots;
}
function assign(...hashes: string[]): void {
  const spec = { kind: 'blob', encoding: 'msgpack', blobs: hashes } as const;
  queen.send({ type: 'JobSpec', job: JOB, spec });
  const builder = new PageBuilder();
  for (const hash of hashes) appendValue(builder, 'msgpack', hash);
  const { sizes, data } = builder.take();
  const ranges = [0, hashes.length];
  queen.send({ type: 'TaskAssign', lease: leaseNumber(++leases), job: JOB, ranges, sizes, data });
}
/** Answers one question. Returns what was asked. */
async function give(text: string): Promise<Message<'BlobGet'>> {
  const get = await queen.next('BlobGet');
  const { hash, offset, length } = get;
  const data = Buffer.from(text.slice(offset, offset + length), 'latin1');
  const last = offset + data.length === text.length ? { last: true } : {};
  queen.send({ type: 'BlobChunk', hash, offset, data, bytes: text.length, ...last });
  return get;
}
async function value(): Promise<readonly [path: string, text: string]> {
  const message = await queen.next('TaskComplete');
  return [...readValues(message, 'msgpack')][0] as [string, string];
}

describe('a Drone', () => {
  test('pulls a blob when a task needs it, once, and keeps it for others', async () => {
    await begin();
    assign(hashOf('hello'));
    expect(await give('hello')).toMatchObject({
      hash: hashOf('hello'),
      offset: 0,
      length: LIMITS.chunkBytesMax,
    });
    const [path, text] = await value();
    expect(text).toBe('hello');
    assign(hashOf('hello'));
    expect(await value()).toEqual([path, 'hello']);
    expect(queen.heard.filter(({ type }) => type === 'BlobGet')).toEqual([]);
  });

  test('takes an empty blob, and one of many pieces', async () => {
    await begin();
    assign(hashOf(''));
    await give('');
    expect((await value())[1]).toBe('');
    const long = 'abcdefgh'.repeat((3 * LIMITS.chunkBytesMax) / 8 + 1);
    assign(hashOf(long));
    const asked = [await give(long), await give(long), await give(long), await give(long)];
    expect(asked.map(({ offset }) => offset)).toEqual([0, 1, 2, 3].map((n) => n * LIMITS.chunkBytesMax));
    const [path] = await value();
    expect(path).toContain(hashOf(long));
  });

  test('lets several slots wait for one pull', async () => {
    await begin(2);
    assign(hashOf('shared'));
    assign(hashOf('shared'));
    await give('shared');
    const [a, b] = [await value(), await value()];
    expect(a).toEqual(b);
    expect(queen.heard.filter(({ type }) => type === 'BlobGet')).toEqual([]);
  });

  test('asks again after its session was lost', async () => {
    await begin();
    assign(hashOf('late'));
    await queen.next('BlobGet');
    queen.cut();
    await queen.next('Holdings');
    await give('late');
    expect((await value())[1]).toBe('late');
  });

  test('fails the task when the Queen does not have it, or gives something else', async () => {
    await begin();
    assign(hashOf('absent'));
    const { hash } = await queen.next('BlobGet');
    queen.send({ type: 'BlobChunk', hash, offset: 0, data: new Uint8Array(0), error: 'it is not here' });
    expect((await queen.next('TaskComplete')).failures).toMatchObject([
      { code: 'unknownBlob', message: expect.stringContaining('it is not here'), outcome: 'failed' },
    ]);
    assign(hashOf('right'));
    await give('wrong');
    expect((await queen.next('TaskComplete')).failures).toMatchObject([{ code: 'badBlob' }]);
    // What was wrong was not kept.
    assign(hashOf('right'));
    await give('right');
    expect((await value())[1]).toBe('right');
  });

  test('drops the blob that was not used for longest when there are too many bytes of them', async () => {
    await begin(1, 10);
    const paths: string[] = [];
    for (const text of ['first', 'other']) {
      assign(hashOf(text));
      await give(text);
      paths.push((await value())[0]);
    }
    assign(hashOf('first'));
    expect((await value())[0]).toBe(paths[0]);
    assign(hashOf('third'));
    await give('third');
    await value();
    while (existsSync(paths[1]!)) await sleep(LOOK_MILLIS);
    expect(existsSync(paths[0]!)).toBe(true);
    assign(hashOf('other'));
    expect(await give('other')).toMatchObject({ hash: hashOf('other') });
    expect((await value())[1]).toBe('other');
  });
});
