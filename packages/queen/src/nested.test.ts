/** Tasks that submit work: what they may, what ends with them, and that they leave room for what they wait for. */
import { type JobId, jobId, LIMITS, type Message, peerId, type SessionNumber, type Spec } from '@hive/shared';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const id = (n: number) => jobId(`01890000-0000-7000-8000-00000000000${n}`);
const [PARENT, CHILD, OTHER, GRANDCHILD] = [id(1), id(2), id(3), id(4)];
const range = (count: number) => ({ range: { start: 0, step: 1, count } });
const NESTED: Partial<Spec> = { nested: true, ...range(10) };

let stage: Stage;
let client: SessionNumber;
beforeEach(() => {
  stage = new Stage();
  client = stage.client();
});
let names = 0;
/** The session of the task that runs in a lease. */
const taskOf = ({ job, lease }: Message<'TaskAssign'>) =>
  stage.client(peerId((++names).toString(16).padStart(32, '0')), { job, lease, token: new Uint8Array(0) });
const submitBelow = (session: SessionNumber, job: JobId, parent: JobId, spec: Partial<Spec> = {}) =>
  stage.submit(session, job, { attached: true, parent, ...range(3), ...spec });
const assigned = (): Message<'TaskAssign'> => stage.take('TaskAssign')!;
const assignments = () => stage.said.filter(({ message }) => message.type === 'TaskAssign').length;

describe('what a task has submitted', () => {
  let drone: SessionNumber;
  let lease: Message<'TaskAssign'>;
  let task: SessionNumber;
  beforeEach(() => {
    drone = stage.drone();
    stage.submit(client, PARENT, NESTED);
    lease = assigned();
    task = taskOf(lease);
    submitBelow(task, CHILD, PARENT);
  });

  test('runs like anything else', () => {
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    stage.complete(drone, assigned());
    expect(stage.outcomes(CHILD)).toContain('succeeded');
    expect(stage.job(CHILD).spec.parent).toBe(PARENT);
  });

  test('is cancelled when the task ends, and its session is over', () => {
    stage.complete(drone, lease);
    expect(stage.job(CHILD)).toMatchObject({
      state: 'cancelled',
      message: 'the task that submitted it has ended',
    });
    expect(stage.state.sessions.has(task)).toBe(false);
    expect(stage.state.children.size).toBe(0);
  });

  test.each<[string, () => void]>([
    ['its job is cancelled', () => stage.say(client, { type: 'Cancel', request: 1, job: PARENT })],
    ['its Drone is lost', () => stage.lose(drone)],
  ])('is cancelled when %s', (_, happen) => {
    happen();
    expect(stage.job(CHILD).state).toBe('cancelled');
    expect(stage.state.sessions.has(task)).toBe(false);
  });

  test('ends with all that is below it', () => {
    const other = taskOf(lease);
    submitBelow(other, OTHER, PARENT, { nested: true });
    for (let n = 0; n < 4; n++) stage.say(drone, { type: 'TaskRequest', slots: 1 });
    let below = assigned();
    while (below.job !== OTHER) below = assigned();
    submitBelow(taskOf(below), GRANDCHILD, OTHER);
    expect(stage.job(GRANDCHILD).isActive).toBe(true);
    stage.complete(drone, lease);
    expect([CHILD, OTHER, GRANDCHILD].map((job) => stage.job(job).state)).toEqual(Array(3).fill('cancelled'));
  });

  test('is abandoned, like any job, when only its session is lost', () => {
    stage.lose(task);
    expect(stage.job(CHILD).isActive).toBe(true);
    stage.advance(LIMITS.abandonMillis);
    // Nobody else can read what it gave.
    expect(stage.job(CHILD)).toBeUndefined();
  });

  test('is abandoned after a restart of the Queen: its token is worth nothing any more', () => {
    stage.restart();
    taskOf(lease);
    expect(stage.state.sessions.size).toBe(0);
    stage.advance(LIMITS.abandonMillis);
    // Nobody else can read what it gave.
    expect(stage.job(CHILD)).toBeUndefined();
  });
});

describe('a task may not', () => {
  let drone: SessionNumber;
  let task: SessionNumber;
  let lease: Message<'TaskAssign'>;
  beforeEach(() => {
    drone = stage.drone();
    stage.submit(client, PARENT, NESTED);
    lease = assigned();
    task = taskOf(lease);
  });
  const refused = () => stage.take('Refused');

  test.each<[string, Partial<Spec>, string]>([
    ['below another job', { parent: OTHER }, 'notPermitted'],
    ['to outlive itself', { attached: false }, 'badSpec'],
    ['with wide tasks', { slots: 2 }, 'badSpec'],
    ['to come after a job of others', { after: [{ job: PARENT, on: 'end' }] }, 'badSpec'],
  ])('submit a job %s', (_, spec, code) => {
    submitBelow(task, CHILD, PARENT, spec);
    expect(refused()).toMatchObject({ job: CHILD, code });
    expect(stage.job(CHILD)).toBeUndefined();
  });

  test('submit without saying below what', () => {
    stage.submit(task, CHILD, { attached: true, ...range(1) });
    expect(refused()).toMatchObject({ job: CHILD, code: 'notPermitted' });
  });

  test.each<[string, Message]>([
    ['Cancel', { type: 'Cancel', request: 7, job: PARENT }],
    ['ResultCredit', { type: 'ResultCredit', job: PARENT, bytes: 1 }],
    ['Seal', { type: 'Seal', job: PARENT, count: 10 }],
    ['Query', { type: 'Query', request: 7, about: 'jobs' }],
    ['Watch', { type: 'Watch', everyMillis: 1 }],
    ['WatchOutput', { type: 'WatchOutput', job: PARENT, on: true }],
    ['Manage', { type: 'Manage', request: 7, action: 'retry', job: PARENT }],
    ['BlobGet', { type: 'BlobGet', hash: 'a'.repeat(64), offset: 0, length: 1 }],
  ])('%s what is not its own', (_, message) => {
    stage.say(task, message as never);
    expect(refused()).toMatchObject({ code: 'notPermitted' });
    expect(stage.job(PARENT).isActive).toBe(true);
  });

  test('come after its end, or for another job', () => {
    const before = stage.state.sessions.size;
    taskOf({ ...lease, lease: (lease.lease + 1) as never });
    taskOf({ ...lease, job: OTHER });
    expect(stage.state.sessions.size).toBe(before);
  });

  test('go on for ever: there are so many levels', () => {
    let [parent, session] = [PARENT, task];
    for (let level = 1; level < LIMITS.nestedLevels; level++) {
      submitBelow(session, id(level + 1), parent, { nested: true });
      parent = id(level + 1);
      stage.say(drone, { type: 'TaskRequest', slots: 1 });
      const next = assigned();
      expect(next.job).toBe(parent);
      session = taskOf(next);
    }
    submitBelow(session, id(8), parent, { nested: true });
    expect(refused()).toMatchObject({ code: 'badSpec', message: expect.stringContaining('levels') });
    submitBelow(session, id(8), parent);
    expect(stage.job(id(8)).isActive).toBe(true);
  });
});

describe('a task whose job asks for a sandbox', () => {
  const MODULE = 'a'.repeat(64);
  const FOREIGN = 'b'.repeat(64);
  const SANDBOX = { level: 'bwrap', processes: 9 };
  const FUNCTION = {
    kind: 'function',
    encoding: 'hive-js',
    params: { module: MODULE, export: 'other', sandbox: SANDBOX },
  } as const;
  const REDUCE = { op: 'function', module: MODULE, export: 'fold' } as const;
  let task: SessionNumber;
  function begin(own: Partial<Spec>): void {
    stage.drone({ kinds: ['function', 'command', 'echo'] });
    stage.submit(client, PARENT, { ...NESTED, blobs: [MODULE], ...own });
    task = taskOf(assigned());
  }
  const submitted = (spec: object) => {
    submitBelow(task, CHILD, PARENT, { blobs: [MODULE, FOREIGN], ...spec } as Partial<Spec>);
    return stage.take('Refused');
  };

  test.each<[string, object]>([
    ['a function of its module', FUNCTION],
    [
      'the same in other words',
      { ...FUNCTION, params: { ...FUNCTION.params, sandbox: { processes: 9, level: 'bwrap' } } },
    ],
    ['a reducer of its module', { ...FUNCTION, reduce: REDUCE }],
    ['a command in its sandbox', { kind: 'command', params: { sandbox: SANDBOX } }],
    [
      'what the operator has registered',
      { ...FUNCTION, params: { name: 'resize' }, reduce: { op: 'function', name: 'resize' } },
    ],
    ['what runs no code', { kind: 'echo', reduce: { op: 'count' } }],
  ])('submits %s', (_, spec) => {
    begin(FUNCTION);
    expect(submitted(spec)).toBeUndefined();
    expect(stage.job(CHILD).isActive).toBe(true);
  });

  const params = (more: object) => ({ ...FUNCTION, params: { ...FUNCTION.params, ...more } });
  test.each<[string, object]>([
    ['a function of another module', params({ module: FOREIGN })],
    ['one that is no module', params({ module: { toString: MODULE } })],
    ['a function without a sandbox', { ...FUNCTION, params: { module: MODULE } }],
    ['a function in none', params({ sandbox: 'none' })],
    ['a function in a weaker one', params({ sandbox: 'limits' })],
    ['a function in the same level without its bounds', params({ sandbox: 'bwrap' })],
    ['a function with the network', params({ sandbox: { ...SANDBOX, network: true } })],
    ['a function in what is no sandbox', params({ sandbox: 7 })],
    ['a command without a sandbox', { kind: 'command', params: { line: 'id' } }],
    ['a command in a weaker one', { kind: 'command', params: { line: 'id', sandbox: 'limits' } }],
    ['a reducer of another module', { ...FUNCTION, reduce: { ...REDUCE, module: FOREIGN } }],
    ['its reducer without a sandbox', { ...FUNCTION, params: { name: 'resize' }, reduce: REDUCE }],
  ])('may not submit %s', (_, spec) => {
    begin(FUNCTION);
    expect(submitted(spec)).toMatchObject({ job: CHILD, code: 'notPermitted' });
    expect(stage.job(CHILD)).toBeUndefined();
  });

  test('that makes no sense submits nothing that would run without it', () => {
    begin(params({ sandbox: { level: 'unknown' } }));
    expect(submitted({ kind: 'command', params: { line: 'id' } })).toMatchObject({ code: 'notPermitted' });
  });

  test('submits from the next level what it may, and no more', () => {
    const drone = stage.drone({ kinds: ['function'], name: 'e' });
    begin(FUNCTION);
    submitBelow(task, OTHER, PARENT, { ...FUNCTION, blobs: [MODULE], nested: true });
    stage.say(drone, { type: 'TaskRequest', slots: 4 });
    let below = assigned();
    while (below.job !== OTHER) below = assigned();
    submitBelow(taskOf(below), GRANDCHILD, OTHER, { kind: 'command', params: { line: 'id' } });
    expect(stage.take('Refused')).toMatchObject({ job: GRANDCHILD, code: 'notPermitted' });
  });
});

test('a task of a job without a sandbox submits any code', () => {
  stage.drone({ kinds: ['function', 'command'] });
  stage.submit(client, PARENT, { ...NESTED, kind: 'command', params: { line: 'id', sandbox: 'none' } });
  submitBelow(taskOf(assigned()), CHILD, PARENT, { kind: 'command', params: { line: 'id' } });
  expect(stage.job(CHILD).isActive).toBe(true);
});

test('only a task names a job that its own is below', () => {
  stage.submit(client, CHILD, { parent: PARENT, ...range(1) });
  expect(stage.take('Refused')).toMatchObject({ job: CHILD, code: 'badSpec' });
});

describe('tasks that submit work', () => {
  test('are leased one by one, and as many as a Drone has slots, however many places it offers', () => {
    const drone = stage.drone({ slots: 2 });
    stage.submit(client, PARENT, NESTED);
    stage.say(drone, { type: 'TaskRequest', slots: 2 });
    expect(assignments()).toBe(2);
    const first = assigned();
    expect(first).toMatchObject({ ranges: [0, 1], token: expect.anything() });
    // The places that they give away are for others.
    submitBelow(taskOf(first), CHILD, PARENT, { nested: true });
    const [, ...others] = [assigned(), assigned(), assigned()];
    expect(others.map(({ job }) => job)).toEqual([CHILD, CHILD]);
    stage.complete(drone, first, { request: true });
    expect(assigned()).toMatchObject({ job: PARENT, ranges: [2, 1] });
  });

  test('may take several slots each, and are leased while those before them leave any', () => {
    const drone = stage.drone({ slots: 4 });
    stage.submit(client, PARENT, { ...NESTED, slots: 3 });
    expect(assignments()).toBe(1);
    const first = assigned();
    // It waits, so its slots are on offer again: one more is leased, and then what they wait for.
    stage.say(drone, { type: 'TaskRequest', slots: 3 });
    expect(assigned()).toMatchObject({ job: PARENT, ranges: [1, 1] });
    submitBelow(taskOf(first), CHILD, PARENT, range(5));
    stage.say(drone, { type: 'TaskRequest', slots: 3 });
    const below = [assigned(), assigned(), assigned(), assigned()];
    expect(below.map(({ job }) => job)).toEqual(Array(4).fill(CHILD));
    expect(assigned()).toBeUndefined();
  });

  test('that are wide keep no slots where they may not come, which others below and beside them need', () => {
    const drone = stage.drone({ slots: 2 });
    stage.submit(client, PARENT, { ...NESTED, slots: 2, priority: 2 });
    const parent = assigned();
    expect(parent.ranges).toEqual([0, 1]);
    submitBelow(taskOf(parent), CHILD, PARENT, range(1));
    // One slot is free, and the next of its job would take two.
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    const child = assigned();
    expect(child).toMatchObject({ job: CHILD });
    // Another wide job still has its turn: slots are kept for it as they fall free.
    stage.submit(client, OTHER, { ...range(1), slots: 2, priority: 1 });
    stage.submit(client, id(5), range(3));
    stage.complete(drone, child, { request: true });
    expect(assigned()).toBeUndefined();
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    expect(assigned()).toMatchObject({ job: OTHER });
  });

  test('have their Drone dialled once more, if it asks for it in the name of their lease', () => {
    const drone = stage.drone({ name: 'd' });
    const other = stage.drone({ name: 'e' });
    stage.submit(client, PARENT, { ...NESTED, ...range(1) });
    const { lease } = assigned();
    stage.submit(client, OTHER, range(1));
    const dialled = (session: SessionNumber, number: typeof lease) =>
      stage.scheduler.step(
        { type: 'messageReceived', session, message: { type: 'DialBack', lease: number } },
        stage.now,
      ).dials;
    expect(dialled(drone, lease)).toEqual([peerId('d'.repeat(32))]);
    expect(dialled(other, lease)).toEqual([]);
    expect(dialled(other, assigned().lease)).toEqual([]);
    stage.complete(drone, { ...stage.said[0]!.message, lease, ranges: [0, 1] } as Message<'TaskAssign'>);
    expect(dialled(drone, lease)).toEqual([]);
  });

  test('are leased with as many as begin at once, if they share a slot', () => {
    const drone = stage.drone({ slots: 2 });
    stage.submit(client, PARENT, { ...NESTED, concurrency: 4 });
    stage.say(drone, { type: 'TaskRequest', slots: 2 });
    const [first, second] = [assigned(), assigned()];
    expect([first.ranges, second.ranges]).toEqual([
      [0, 4],
      [4, 3],
    ]);
    const child = taskOf(first);
    submitBelow(child, CHILD, PARENT);
    expect(assigned()).toMatchObject({ job: CHILD });
    // What a task has submitted is of its lease: it stays while others of that run.
    const done = { type: 'TaskComplete', lease: first.lease, busyMicros: 100, sizes: 1 } as const;
    stage.say(drone, { ...done, at: 0, first: 0, count: 1, data: new Uint8Array(1) });
    expect(stage.job(CHILD).state).toBe('running');
    stage.say(drone, { ...done, at: 1, first: 1, count: 3, data: new Uint8Array(3), ended: true });
    expect(stage.job(CHILD).state).toBe('cancelled');
  });

  test('are blamed for the process that is lost under them, although others ran there', () => {
    stage.submit(client, PARENT, { ...NESTED, ...range(1), crashLimit: 2 });
    for (let losses = 1; losses <= 2; losses++) {
      const drone = stage.drone({ slots: 2 });
      submitBelow(taskOf(assigned()), id(losses + 1), PARENT);
      stage.lose(drone);
      stage.advance(60_000);
    }
    expect(stage.outcomes(PARENT)).toEqual(['crashed processLost']);
  });

  test('do not keep a suspect below them from running alone', () => {
    stage.submit(client, PARENT, { ...NESTED, ...range(1) });
    const drone = stage.drone({ slots: 1 });
    const parent = assigned();
    const task = taskOf(parent);
    submitBelow(task, CHILD, PARENT, range(1));
    for (let losses = 0; losses < 2; losses++) {
      const other = stage.drone({ slots: 1, name: 'e' });
      expect(assigned()).toMatchObject({ job: CHILD });
      stage.lose(other);
    }
    expect(stage.job(CHILD).suspectTasks).toBe(1);
    stage.say(drone, { type: 'TaskRequest', slots: 1 });
    const alone = assigned();
    expect(alone).toMatchObject({ job: CHILD });
    stage.complete(drone, alone);
    expect(stage.outcomes(CHILD)).toEqual(['succeeded']);
  });
});
