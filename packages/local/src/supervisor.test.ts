import { describe, expect, test } from '@jest/globals';
import { type Exit, restartDelay, Supervisor } from './supervisor.ts';

const crash: Exit = { code: null, signal: 'SIGSEGV' };
const asked: Exit = { code: 0, signal: null };

/** A process that ends when the test says so. */
class Fake {
  readonly number: number;
  hasStarted = true;
  end: (exit: Exit) => void = () => {};
  readonly exited = new Promise<Exit>((resolve) => {
    this.end = resolve;
  });
  constructor(number: number) {
    this.number = number;
  }
}

/** Whatever is started is handed to the test, one after the other. */
function supervised(isEnd: (exit: Exit, process: Fake, failures: number) => boolean = () => false) {
  const started: Fake[] = [];
  const waiting: ((process: Fake) => void)[] = [];
  const predecessors: (number | null)[] = [];
  const delays: number[] = [];
  const supervisor = new Supervisor<Fake>({
    start: (lost) => {
      predecessors.push(lost?.process.number ?? null);
      const process = new Fake(predecessors.length);
      const next = waiting.shift();
      if (next === undefined) started.push(process);
      else next(process);
      return process;
    },
    isEnd,
    onLost: (_exit, millis) => delays.push(millis),
  });
  const next = () =>
    started.length > 0
      ? Promise.resolve(started.shift()!)
      : new Promise<Fake>((resolve) => {
          waiting.push(resolve);
        });
  return { supervisor, next, predecessors, delays };
}

describe('a supervisor', () => {
  test('starts a lost process again, and tells it of the one before', async () => {
    const { supervisor, next, predecessors, delays } = supervised((exit) => exit.code === 0);
    supervisor.start();
    supervisor.start();
    for (let n = 1; n <= 3; n++) {
      const process = await next();
      expect(supervisor.process).toBe(process);
      process.end(n === 3 ? asked : crash);
    }
    expect(await supervisor.over).toEqual(asked);
    expect(predecessors).toEqual([null, 1, 2]);
    expect(delays.length).toBe(2);
  });

  test('counts those in a row that had not begun to work', async () => {
    const counts: number[] = [];
    const { supervisor, next } = supervised((_exit, _process, failures) => {
      counts.push(failures);
      return failures === 2;
    });
    supervisor.start();
    for (const hasStarted of [false, true, false, false]) {
      const process = await next();
      process.hasStarted = hasStarted;
      process.end(crash);
    }
    expect(await supervisor.over).toEqual(crash);
    expect(counts).toEqual([1, 0, 1, 2]);
  });

  test('starts none after it was stopped, be there a process or not', async () => {
    const running = supervised();
    running.supervisor.start();
    const process = await running.next();
    running.supervisor.stop();
    process.end(crash);
    expect(await running.supervisor.over).toEqual(crash);

    const resting = supervised();
    resting.supervisor.start();
    (await resting.next()).end(crash);
    while (resting.delays.length === 0) await null;
    expect(resting.supervisor.process).toBe(null);
    resting.supervisor.stop();
    expect(await resting.supervisor.over).toEqual(crash);

    const never = supervised();
    never.supervisor.stop();
    never.supervisor.start();
    expect(await never.supervisor.over).toEqual(asked);
    expect(never.predecessors).toEqual([]);
  });

  test('waits longer each time, and never long for one that had begun to work', () => {
    const delays = (hadStarted: boolean) =>
      [0, 1, 2, 3, 9, 999].map((losses) => restartDelay(losses, hadStarted, 0.5));
    expect(delays(true)).toEqual([75, 150, 300, 600, 750, 750]);
    expect(delays(false)).toEqual([75, 150, 300, 600, 3_750, 3_750]);
    expect([restartDelay(0, true, 0), restartDelay(0, true, 1)]).toEqual([50, 100]);
  });
});
