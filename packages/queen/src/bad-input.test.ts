import { encode, jobId, LIMITS, leaseNumber, type Message, type Spec } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { TEST_KEYS } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

const ID = jobId('01890000-0000-7000-8000-000000000001');
const OTHER = jobId('01890000-0000-7000-8000-000000000002');
const MODULE = 'a'.repeat(64);
const REGISTERED = { op: 'function', name: 'words' } as const;
const FUNCTION = { kind: 'function', encoding: 'hive-js' } as const;
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'msgpack' };
const three = { first: 0, count: 3, sizes: 1, data: Uint8Array.of(1, 2, 3) };

let queen: Queen;
let witness: TestPeer;
const peers: TestPeer[] = [];

beforeEach(async () => {
  queen = await startQueen({ port: 0, keys: TEST_KEYS, handshakeMillis: 3_000 });
  witness = await TestPeer.client(queen.address);
});
/** Whatever the test did: the Queen and the other session must not have noticed. */
afterEach(async () => {
  witness.send({ type: 'Query', request: 99, about: 'status' });
  expect((await witness.next('Answer')).request).toBe(99);
  for (const peer of [witness, ...peers.splice(0)]) peer.end();
  await queen.stop();
});

async function dial(): Promise<TestPeer> {
  const peer = await TestPeer.dial(queen.address);
  peers.push(peer);
  return peer;
}
async function client(): Promise<TestPeer> {
  const peer = await TestPeer.client(queen.address);
  peers.push(peer);
  return peer;
}
async function drone(slots = 1): Promise<TestPeer> {
  const peer = await TestPeer.drone(queen.address, slots);
  peers.push(peer);
  return peer;
}
/** Submits three tasks and waits until they are accepted. */
async function submitThree(peer: TestPeer, job = ID): Promise<void> {
  peer.send({ type: 'Submit', job, spec: SPEC });
  peer.send({ type: 'Append', job, ...three });
  peer.send({ type: 'Seal', job, count: 3 });
  await peer.next('Accepted');
}

describe('a stranger', () => {
  test('with another magic word is refused in words and dropped', async () => {
    const peer = await dial();
    peer.hello('client', { magic: 'bees' as 'hive' });
    expect((await peer.next('Goodbye')).message).toContain('magic');
    await peer.closed();
  });

  test('with a version that is too new is told which end is older', async () => {
    const peer = await dial();
    peer.hello('client', { protocolMin: 7, protocolMax: 9 });
    const reject = await peer.next('Reject');
    expect(reject.code).toBe('badVersion');
    expect(reject.message).toContain('the peer speaks 7 to 9');
    await peer.closed();
  });

  test('who says nothing is dropped after the handshake time', async () => {
    const peer = await dial();
    expect((await peer.next('Reject')).code).toBe('handshakeTimeout');
    await peer.closed();
  });

  test('who sends garbage is dropped', async () => {
    const peer = await dial();
    peer.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await peer.next('Goodbye')).code).toBe('tooLarge');
    await peer.closed();
  });

  test('who announces a frame over 64 KiB before the handshake is refused from its header', async () => {
    const peer = await dial();
    peer.socket.write(Uint8Array.of(0, 1, 0, 1));
    expect((await peer.next('Goodbye')).code).toBe('tooLarge');
    await peer.closed();
  });

  test('who speaks before Hello is dropped', async () => {
    const peer = await dial();
    peer.send({ type: 'Query', request: 1, about: 'status' });
    expect((await peer.next('Goodbye')).message).toContain('out of turn');
    await peer.closed();
  });

  test('who cuts a Hello at any byte and leaves does no harm', async () => {
    const sample = encode({ type: 'Heartbeat' });
    for (let cut = 0; cut < sample.length; cut++) {
      const peer = await dial();
      peer.socket.end(sample.subarray(0, cut));
      await peer.closed();
    }
  });
});

describe('a client', () => {
  test('may submit the same job twice and gets the same answer', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    const first = await peer.next('Accepted');
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    expect(await peer.next('Accepted')).toEqual(first);
  });

  test('is refused when it submits a known id with another spec', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    peer.send({ type: 'Submit', job: ID, spec: { ...SPEC, priority: 5 } });
    const refused = await peer.next('Refused');
    expect([refused.code, refused.job]).toEqual(['jobDiffers', ID]);
  });

  test('is refused an unknown kind, and told which kinds the connected Drones offer', async () => {
    const peer = await client();
    const submit = () => peer.send({ type: 'Submit', job: ID, spec: { ...SPEC, kind: 'hsah' } });
    submit();
    const refused = await peer.next('Refused');
    expect(refused.code).toBe('unknownKind');
    expect(refused.message).toBe(
      'No Drone here offers the kind "hsah". No Drone is connected: start one that offers it.',
    );
    peers.push(await TestPeer.drone(queen.address, 1, ['sleep', 'brew']));
    submit();
    expect((await peer.next('Refused')).message).toBe(
      'No Drone here offers the kind "hsah". Those that are connected offer: brew, sleep.',
    );
  });

  test.each<[string, string, Partial<Spec>]>([
    ['an operator without what it needs', 'badSpec', { encoding: 'msgpack', reduce: { op: 'top' } }],
    ['a fold of raw bytes', 'badSpec', { encoding: 'raw', reduce: { op: 'concat' } }],
    ['a fold of a graph', 'badSpec', { encoding: 'msgpack', reduce: { op: 'sum' }, graph: 'runChildren' }],
    ['a reducer of what is no function', 'badSpec', { encoding: 'hive-js', reduce: REGISTERED }],
    ['a reducer without its blob', 'badSpec', { ...FUNCTION, reduce: { op: 'function', module: MODULE } }],
    ['a reducer that is two', 'badSpec', { ...FUNCTION, reduce: { ...REGISTERED, module: MODULE } }],
    ['a reducer of a graph', 'badSpec', { ...FUNCTION, reduce: REGISTERED, graph: 'runChildren' }],
    ['a built-in operator with a module', 'badSpec', { reduce: { op: 'sum', module: MODULE } }],
  ])('is refused %s', async (_, code, more) => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: { ...SPEC, ...more } });
    expect((await peer.next('Refused')).code).toBe(code);
  });

  test('is refused params over 1 MiB', async () => {
    const peer = await client();
    const params = { blob: new Uint8Array(LIMITS.paramsBytesMax) };
    peer.send({ type: 'Submit', job: ID, spec: { ...SPEC, params } });
    expect((await peer.next('Refused')).code).toBe('tooLarge');
  });

  test.each<[string, Partial<Message<'Append'>>]>([
    ['sizes that do not add up', { sizes: 2 }],
    ['too few sizes', { sizes: Uint8Array.of(0, 0, 0, 3) }],
    ['a gap', { first: 1 }],
  ])('that appends %s is dropped', async (_, change) => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    peer.send({ type: 'Append', job: ID, ...three, ...change });
    await peer.next('Goodbye');
    await peer.closed();
  });

  test('that appends a value over 1 MiB is dropped', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    const data = new Uint8Array(LIMITS.valueBytesMax + 1);
    const sizes = Uint8Array.of(0, 0x10, 0, 1);
    peer.send({ type: 'Append', job: ID, first: 0, count: 1, sizes, data });
    expect((await peer.next('Goodbye')).code).toBe('tooLarge');
    await peer.closed();
  });

  test('that appends without credit is dropped', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    const data = new Uint8Array(LIMITS.pageBytesMax);
    const page = { count: 2, sizes: LIMITS.pageBytesMax / 2, data };
    for (let sent = 0; sent <= LIMITS.inputBytesHeldMax + data.length; sent += data.length) {
      peer.send({ type: 'Append', job: ID, first: (sent / data.length) * 2, ...page });
    }
    expect((await peer.next('Goodbye')).message).toContain('credit');
    await peer.closed();
  });

  test('that seals at another count is dropped', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    peer.send({ type: 'Seal', job: ID, count: 4 });
    expect((await peer.next('Goodbye')).message).toContain('Seal');
    await peer.closed();
  });

  test('that adds to the job of another is dropped, and that job goes on', async () => {
    const owner = await client();
    owner.send({ type: 'Submit', job: ID, spec: SPEC });
    await owner.next('Accepted');
    const thief = await client();
    thief.send({ type: 'Append', job: ID, ...three });
    await thief.closed();
    owner.send({ type: 'Append', job: ID, ...three });
    expect((await owner.next('InputCredit')).count).toBe(3);
  });

  test('that asks for a job that is not there is told so', async () => {
    const peer = await client();
    peer.send({ type: 'Query', request: 4, about: 'job', job: OTHER });
    const refused = await peer.next('Refused');
    expect([refused.code, refused.request]).toEqual(['unknownJob', 4]);
  });

  test('killed amid an unsealed job leaves its job open for its return', async () => {
    const peer = await client();
    peer.send({ type: 'Submit', job: ID, spec: SPEC });
    peer.send({ type: 'Append', job: ID, ...three });
    await peer.next('InputCredit');
    peer.end();
    await peer.closed();
    const back = await client();
    back.send({ type: 'Submit', job: ID, spec: SPEC });
    expect(await back.next('Accepted')).toMatchObject({ count: 3, sealed: false });
  });

  test('that never reads its results holds back itself alone', async () => {
    const worker = await drone();
    const deaf = await client();
    await submitThree(deaf);
    deaf.send({ type: 'ResultCredit', job: ID, order: 'seq', after: 0, bytes: 1 });
    deaf.socket.pause();
    await answerAll(worker, 3);
    const other = await client();
    await submitThree(other, OTHER);
    other.send({ type: 'ResultCredit', job: OTHER, order: 'index', after: 0, bytes: 1_000 });
    await answerAll(worker, 3);
    await other.next('JobDone');
  });
});

/** Echoes until `count` tasks are done. */
async function answerAll(worker: TestPeer, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const { lease, ranges, sizes, data } = await worker.next('TaskAssign');
    const n = ranges[1]!;
    worker.send({
      type: 'TaskComplete',
      lease,
      at: 0,
      first: ranges[0]!,
      count: n,
      sizes: sizes!,
      data: data!,
      busyMicros: 10,
      ended: true,
      request: true,
    });
    done += n;
  }
}

describe('a Drone', () => {
  const report = { at: 0, first: 0, count: 1, sizes: 1, data: Uint8Array.of(1), busyMicros: 1 };

  test('that reports for a lease it does not hold is acknowledged, counted and otherwise ignored', async () => {
    const worker = await drone();
    worker.send({ type: 'TaskComplete', lease: leaseNumber(777), ...report });
    expect((await worker.next('ResultAck')).leases).toEqual([777, 1]);
    witness.send({ type: 'Query', request: 1, about: 'status' });
    expect((await witness.next('Answer')).body).toMatchObject({ staleReports: 1 });
  });

  test('that reports another Drone’s lease changes nothing', async () => {
    const holder = await drone();
    const peer = await client();
    await submitThree(peer);
    const { lease } = await holder.next('TaskAssign');
    const liar = await drone();
    liar.send({ type: 'TaskComplete', lease, ...report });
    await liar.next('ResultAck');
    witness.send({ type: 'Query', request: 1, about: 'job', job: ID });
    expect((await witness.next('Answer')).body).toMatchObject({ counts: { succeeded: 0 } });
  });

  test.each<[string, object]>([
    ['leaves out a position', { at: 1, first: 1 }],
    ['passes the end of its lease', { count: 9, data: new Uint8Array(9) }],
    ['names other tasks than its lease has', { first: 2 }],
    ['has sizes that do not add up', { sizes: 3 }],
    ['has a failure outside the page', { failures: [{ index: 5, outcome: 'failed', message: 'x' }] }],
  ])('whose report %s is dropped, and its work goes to others', async (_, change) => {
    const liar = await drone();
    const peer = await client();
    await submitThree(peer);
    const { lease } = await liar.next('TaskAssign');
    const other = await drone();
    liar.send({ type: 'TaskComplete', lease, ...report, ...change });
    await liar.next('Goodbye');
    await liar.closed();
    await answerAll(other, 3);
    await peer.next('JobDone');
  });

  test('that submits a job is dropped', async () => {
    const worker = await drone();
    worker.send({ type: 'Submit', job: ID, spec: SPEC });
    expect((await worker.next('Goodbye')).message).toContain('may not send Submit');
    await worker.closed();
  });

  test('that asks for work before its Holdings is dropped', async () => {
    const worker = await dial();
    worker.hello('drone', { slots: 1, kinds: ['echo'] });
    await worker.next('Welcome');
    worker.send({ type: 'TaskRequest', slots: 1 });
    expect((await worker.next('Goodbye')).message).toContain('Holdings');
    await worker.closed();
  });

  test('whose socket closes has its work given to others at once', async () => {
    const lost = await drone();
    const peer = await client();
    await submitThree(peer);
    await lost.next('TaskAssign');
    const other = await drone();
    lost.end();
    await answerAll(other, 3);
    expect(await peer.next('JobDone')).toMatchObject({ state: 'succeeded', counts: { succeeded: 3 } });
  });

  test('that comes back replaces its old session', async () => {
    const worker = await drone();
    const again = await dial();
    again.hello('drone', { slots: 1, kinds: ['echo'], peer: worker.peer });
    await again.next('Welcome');
    expect((await worker.next('Goodbye')).code).toBe('replaced');
  });

  test('that fails a task three times ends it as failed; the job says so', async () => {
    const worker = await drone();
    const peer = await client();
    peer.send({
      type: 'Submit',
      job: ID,
      spec: { ...SPEC, retries: 2, backoffMillis: 1, backoffMillisMax: 1 },
    });
    peer.send({ type: 'Append', job: ID, first: 0, count: 1, sizes: 1, data: Uint8Array.of(1) });
    peer.send({ type: 'Seal', job: ID, count: 1 });
    peer.send({ type: 'ResultCredit', job: ID, order: 'seq', after: 0, bytes: 1_000 });
    for (let attempt = 0; attempt < 3; attempt++) {
      const { lease } = await worker.next('TaskAssign');
      const failures = [{ index: 0, outcome: 'failed' as const, message: `no, ${attempt}` }];
      worker.send({
        type: 'TaskComplete',
        lease,
        ...report,
        sizes: 0,
        data: new Uint8Array(0),
        failures,
        ended: true,
        request: true,
      });
    }
    expect((await peer.next('Results')).failures).toEqual([
      { index: 0, outcome: 'failed', message: 'no, 2' },
    ]);
    expect((await peer.next('JobDone')).state).toBe('failed');
  });
});

describe('results in task order', () => {
  test('resume amid a page with the whole page, so that both ends count the same credit', async () => {
    const worker = await drone();
    const peer = await client();
    await submitThree(peer);
    await answerAll(worker, 3);
    await peer.next('JobDone');
    peer.send({ type: 'ResultCredit', job: ID, order: 'index', after: 1, bytes: 1_000 });
    const pages: number[][] = [];
    for (let isLast = false; !isLast; ) {
      const { first, count, last } = await peer.next('Results');
      pages.push([first, count]);
      isLast = last === true;
    }
    const [first, count] = pages[0]!;
    expect(first! <= 1 && 1 < first! + count!).toBe(true);
    expect(pages.at(-1)!.reduce((a, b) => a + b)).toBe(3);
  });
});
