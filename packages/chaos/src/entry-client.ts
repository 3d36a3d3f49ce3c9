/**
 * A client as a process of its own: submits what it is told to, reads results, checks each, and says what it was promised.
 * It may be killed or frozen at any moment; whatever it has not said, nobody relies on.
 */
import {
  connect,
  type GraphTask,
  type Hive,
  type JobHandle,
  type JobSummary,
  UsageError,
} from '@hive/client';
import type { ProcessesAccess } from '@hive/local';
import { Check } from './check.ts';
import { parentsOf } from './graphs.ts';
import type { FromClient, ToClient } from './ipc.ts';
import type { Plan } from './plan.ts';
import { readAll } from './reading.ts';
import { inputOf, kindOf, settingsOf, submissionOf } from './work.ts';

const CALLS_IN_FLIGHT = 32;
/** A slow reader rests this long after every so many results. */
const REST_MILLIS = 20;
const REST_EVERY = 200;
/** And so often in all: whoever reads thousands of values must be done before the run is over. */
const RESTS_MAX = 500;

let connected = (_: Hive) => {};
const whenConnected = new Promise<Hive>((resolve) => {
  connected = resolve;
});
const underWay = new Set<Promise<void>>();

process.on('message', (message: ToClient) => {
  switch (message.type) {
    case 'connect':
      void keepConnecting(message.access, message.name);
      break;
    case 'submit':
      start(
        run(message.plan, 'submitter', (hive, check) => submit(hive, message.plan, message.isAgain, check)),
      );
      break;
    case 'read':
      start(run(message.plan, 'reader', (hive, check) => readOthers(hive, message.plan, check)));
      break;
    case 'stop':
      void stop();
  }
});
// It must not outlive the run, however that ends.
process.on('disconnect', () => process.exit(0));

/** The Queen may be down just now. */
async function keepConnecting(access: ProcessesAccess, name: string): Promise<void> {
  while (true) {
    try {
      connected(await connect({ ...access, name }));
      say({ type: 'ready' });
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'noQueen') throw error;
    }
  }
}

function start(ending: Promise<void>): void {
  underWay.add(ending);
  void ending.finally(() => underWay.delete(ending));
}

/** What is still under way fails, and says so. */
async function stop(): Promise<void> {
  await (await whenConnected).close();
  await Promise.all(underWay);
  process.disconnect();
}

async function run(
  plan: Plan,
  as: 'submitter' | 'reader',
  body: (hive: Hive, check: Check) => Promise<Extract<FromClient, { type: 'ended' }>['state']>,
): Promise<void> {
  const check = new Check(plan);
  let state: Extract<FromClient, { type: 'ended' }>['state'] = null;
  try {
    state = await body(await whenConnected, check);
  } catch (error) {
    check.problem(String((error as Error).stack ?? error));
  }
  say({ type: 'ended', job: plan.id, as, state, seen: check.seen, problems: check.problems });
}

async function submit(hive: Hive, plan: Plan, isAgain: boolean, check: Check) {
  if (plan.work === 'calls') return calls(hive, plan, check);
  const job = await takeOn(hive, plan, isAgain);
  if (job === null) return null;
  say({ type: plan.isAttached ? 'accepted' : 'sealed', job: plan.id });
  if (plan.reading === 'none' && !plan.isAttached) return null;
  const summary = plan.reading === 'none' ? await job.done : await read(job, plan, plan.reading, check);
  // What the one before has confirmed of an attached job is gone.
  check.end(summary, plan.reading !== 'none' && !(isAgain && plan.isAttached));
  return summary.state;
}

/** Null: the client before this one had appended a part of its inputs, with which no other can go on. It is ended. */
async function takeOn(hive: Hive, plan: Plan, isAgain: boolean): Promise<JobHandle | null> {
  const isGraph = plan.work === 'graph' || plan.work === 'hopeless';
  try {
    return await (isGraph ? submitGraph(hive, plan) : hive.submit(submissionOf(plan)));
  } catch (error) {
    if (!isAgain || !(error instanceof UsageError) || error.code !== 'jobDiffers') throw error;
    await hive.cancel(plan.id, 'nobody has the rest of its inputs');
    return null;
  }
}

function submitGraph(hive: Hive, plan: Plan): Promise<JobHandle> {
  const whenParentFails = plan.seed % 2 === 0 ? 'failChildren' : 'runChildren';
  const graph = hive.graph(kindOf(plan), { ...settingsOf(plan), whenParentFails });
  const tasks: GraphTask[] = [];
  for (let index = 0; index < plan.count; index++) {
    const after = parentsOf(index).map((parent) => tasks[parent]!);
    tasks.push(graph.task(inputOf(plan, index), { after }));
  }
  return graph.submit();
}

async function readOthers(hive: Hive, plan: Plan, check: Check) {
  const job = await hive.open(plan.id);
  const summary = await read(job, plan, plan.seed % 2 === 0 ? 'ordered' : 'asFinished', check);
  check.end(summary, true);
  return summary.state;
}

function read(
  job: JobHandle,
  plan: Plan,
  how: Exclude<Plan['reading'], 'none'>,
  check: Check,
): Promise<JobSummary> {
  let rests = 0;
  return readAll(job, plan, how === 'ordered', check, () => {
    const isTired = how === 'slow' && (plan.size > 1_000 || check.seen % REST_EVERY === 0);
    return isTired && rests++ < RESTS_MAX ? new Promise((resolve) => setTimeout(resolve, REST_MILLIS)) : null;
  });
}

async function calls(hive: Hive, plan: Plan, check: Check): Promise<null> {
  let next = 0;
  const loop = async () => {
    while (next < plan.count) {
      const index = next++;
      const input = inputOf(plan, index);
      const value = await hive.call(kindOf(plan), input, plan.options);
      check.take({ index, outcome: 'succeeded', value }, false);
    }
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, loop));
  return null;
}

function say(message: FromClient): void {
  if (process.connected) process.send!(message);
}
