/** Who asks a lot waits for it, and nobody else does. */
import { encode, jobId, type Message, type SessionNumber, sessionNumber } from '@hive/shared';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { type Question, Questions } from './questions.ts';
import { TEST_KEYS, testKey } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

const [MANY, FEW] = [sessionNumber(1), sessionNumber(2)];
const about = (what: Message<'Query'>['about']): Question => ({ type: 'Query', request: 1, about: what });

describe('questions', () => {
  /** Each takes a millisecond. */
  let now = 0;
  let served: SessionNumber[];
  const clogged = new Set<SessionNumber>();
  const unread = new Set<SessionNumber>();
  let questions: Questions;
  beforeEach(() => {
    now = 0;
    served = [];
    clogged.clear();
    unread.clear();
    questions = new Questions({
      step: (session) => {
        served.push(session);
        now++;
      },
      now: () => now,
      isClogged: (session) => clogged.has(session),
      read: (session, is) => (is ? unread.delete(session) : unread.add(session)),
    });
  });
  const ask = (session: SessionNumber, times: number, question = about('job')) => {
    for (let i = 0; i < times; i++) questions.ask(session, question);
  };

  test('take a few milliseconds of a turn, and sessions take turns', () => {
    ask(MANY, 100);
    ask(FEW, 2);
    expect(questions.serve()).toBe(true);
    expect(served).toEqual([MANY, FEW, MANY, FEW, MANY]);
  });

  test('take turns, too, where each takes the time of a whole turn', () => {
    ask(MANY, 100);
    ask(FEW, 2);
    for (let turn = 0; turn < 4; turn++) {
      now += 100;
      questions.serve();
      now += 100;
    }
    expect(served.filter((session) => session === FEW)).toHaveLength(2);
  });

  test('wait while a session is owed much, and go on when it was told', () => {
    ask(MANY, 100, about('jobs'));
    while (questions.serve());
    expect(served).toHaveLength(8);
    expect(questions.answered(MANY)).toBe(true);
    questions.serve();
    expect(served).toHaveLength(9);
  });

  test('about a thousand jobs that other nodes have to be asked for hold up no other of the session', () => {
    ask(MANY, 1_000);
    ask(MANY, 1, about('status'));
    while (questions.serve());
    expect(served).toHaveLength(1_001);
  });

  test('wait while a session does not read', () => {
    ask(MANY, 1);
    clogged.add(MANY);
    expect(questions.serve()).toBe(false);
    expect(served).toEqual([]);
    clogged.clear();
    questions.serve();
    expect(served).toEqual([MANY]);
  });

  test('are not read any more from a session that has too many in line, until half of them are answered', () => {
    ask(MANY, 1_001);
    expect(unread).toEqual(new Set([MANY]));
    while (served.length < 501) {
      questions.serve();
      questions.answered(MANY);
      expect(unread.has(MANY)).toBe(served.length < 501);
    }
  });

  test('of a session that has ended are forgotten', () => {
    ask(MANY, 3);
    questions.closed(MANY);
    expect(questions.serve()).toBe(false);
    expect(questions.answered(MANY)).toBe(false);
    expect(served).toEqual([]);
  });
});

describe('an observer that floods a Queen with questions', () => {
  let queen: Queen;
  const peers: TestPeer[] = [];
  const JOBS = 600;
  const FLOOD = 500;
  beforeEach(async () => {
    queen = await startQueen({ port: 0, keys: TEST_KEYS, store: 'memory' });
    const client = await TestPeer.client(queen.address);
    peers.push(client);
    const spec = { kind: 'echo', encoding: 'msgpack', attached: false, name: 'n'.repeat(100) } as const;
    const inputs = { count: 1, sizes: 1, data: new Uint8Array(1) };
    for (let i = 0; i < JOBS; i++) {
      const job = jobId(`01890000-0000-7000-8000-${String(i).padStart(12, '0')}`);
      client.send({ type: 'Submit', job, spec, inputs, follow: false });
    }
    for (let i = 0; i < JOBS; i++) await client.next('Accepted');
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.end();
    await queen.stop();
  });

  test('and reads nothing is owed little, holds nobody up, and is answered when it reads', async () => {
    const observer = await TestPeer.dial(queen.address, testKey('observer'));
    peers.push(observer);
    observer.hello('observer');
    await observer.next('Welcome');
    observer.socket.pause();
    const flood = Array.from({ length: FLOOD }, (_, request) =>
      encode({ type: 'Query', request, about: 'jobs', limit: JOBS }),
    );
    observer.socket.write(Buffer.concat(flood));
    const [client] = peers;
    for (let request = 0; request < 50; request++) {
      client!.send({ type: 'Query', request, about: 'status' });
      expect(await client!.next('Answer')).toMatchObject({ request });
    }
    observer.socket.resume();
    for (let request = 0; request < FLOOD; request++)
      expect(await observer.next('Answer')).toMatchObject({ request });
    expect(observer.isClosed).toBe(false);
  });
});
