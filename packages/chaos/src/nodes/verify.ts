/**
 * What must hold once the faults have stopped: every job that was acknowledged has ended with its one correct result, by
 * whichever node one asks; every node lists it, once; and the tables of its owner say that each task was recorded once.
 */
import Database from 'better-sqlite3';
import type { Log } from '../log.ts';
import type { Random } from '../random.ts';
import { eventually } from '../verify.ts';
import { type Api, PATIENT_MILLIS } from './api.ts';
import type { FleetNode } from './fleet.ts';
import type { Acknowledged } from './load.ts';

const FINISH_MILLIS_MAX = 120_000;
const AT_ONCE = 8;
const PAGE = 500;

interface JobBody {
  readonly status: string;
  readonly last_known?: boolean;
  readonly message?: string;
  readonly tasks: { readonly total: number; readonly succeeded: number };
  readonly result?: { readonly stdout: string; readonly exit_code: number | null };
}
interface PeersBody {
  readonly peers: readonly { readonly node_id: string; readonly status: string }[];
}
interface PageBody {
  readonly jobs: readonly { readonly job_id: string; readonly last_known?: boolean }[];
  readonly next_cursor: string | null;
}

/** Waits until every node knows every other to be there. */
export async function verifyTogether(nodes: readonly FleetNode[], api: Api, log: Log): Promise<void> {
  let seen = '';
  const areTogether = await eventually(async () => {
    const views = await Promise.all(
      nodes.map(async (node) => {
        const { peers } = await api.json<PeersBody>(`${node.api}/peers`).catch(() => ({ peers: [] }));
        return peers.filter(({ status }) => status !== 'FAILED').map(({ node_id }) => node_id);
      }),
    );
    seen = JSON.stringify(views);
    return views.every((names) => new Set(names).size === nodes.length);
  }, FINISH_MILLIS_MAX);
  if (!areTogether) log.problem(`the nodes do not find each other again: ${seen}`);
}

/** Returns how many results were looked at. */
export async function verifyJobs(
  nodes: readonly FleetNode[],
  jobs: readonly Acknowledged[],
  api: Api,
  random: Random,
  log: Log,
): Promise<number> {
  const left = jobs.map((job) => ({ job, node: random.pick(nodes) }));
  const deadline = performance.now() + FINISH_MILLIS_MAX;
  let results = 0;
  const check = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { job, node } = next;
      try {
        results += await verifyJob(job, node, api, Math.max(0, deadline - performance.now()));
      } catch (error) {
        const what = `job ${job.id} (${JSON.stringify(job.order.body).slice(0, 120)})`;
        log.problem(`${what} of ${job.owner.name}, asked at ${node.name}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, check));
  return results;
}

/** @throws Error that says what is wrong */
async function verifyJob(
  { id, order }: Acknowledged,
  node: FleetNode,
  api: Api,
  millisMax: number,
): Promise<number> {
  let body: JobBody | null = null;
  let error: unknown = null;
  const hasEnded = await eventually(async () => {
    body = await api.json<JobBody>(`${node.api}/jobs/${id}`).catch((problem: unknown) => {
      error = problem;
      return null;
    });
    return body !== null && body.last_known !== true && !/PENDING|RUNNING/.test(body.status);
  }, millisMax);
  if (!hasEnded) throw new Error(`it does not end: ${JSON.stringify(body ?? String(error))}`);
  const { status, message = '', tasks, result } = body as unknown as JobBody;
  if (status !== 'JOB_COMPLETED') throw new Error(`it is ${status}: ${message}`);
  if (tasks.total !== order.count || tasks.succeeded !== order.count)
    throw new Error(`it has ${JSON.stringify(tasks)}, and ${order.count} were given`);
  if (order.isCommand) {
    if (result?.exit_code !== 0 || result.stdout !== order.rightOf(0))
      throw new Error(`its result is ${JSON.stringify(result)}`);
    return 1;
  }
  const answer = await api.ask(`${node.api}/jobs/${id}/results`, { answerMillis: PATIENT_MILLIS });
  await verifyResults(answer, order);
  return order.count;
}

async function verifyResults(
  { status, text }: { readonly status: number; readonly text: string },
  { count, rightOf }: Acknowledged['order'],
): Promise<void> {
  if (status !== 200) throw new Error(`its results gave ${status}: ${text.slice(0, 300)}`);
  const lines = text.trimEnd().split('\n');
  if (lines.length !== count) throw new Error(`it has ${lines.length} results, not ${count}`);
  for (const [index, line] of lines.entries()) {
    const right = JSON.stringify({ index, outcome: 'succeeded', value: rightOf(index) });
    if (line !== right) throw new Error(`a result is ${line}, not ${right}`);
  }
}

/** Whichever node one asks: each of the jobs once, live from its owner. */
export async function verifyLists(
  nodes: readonly FleetNode[],
  jobs: readonly Acknowledged[],
  api: Api,
  log: Log,
): Promise<void> {
  for (const { name, api: url } of nodes) {
    const listed = new Map<string, number>();
    for (let cursor: string | null = ''; cursor !== null; ) {
      const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page: PageBody = await api.json<PageBody>(`${url}/jobs?limit=${PAGE}${more}`, PATIENT_MILLIS);
      for (const { job_id, last_known } of page.jobs) {
        listed.set(job_id, (listed.get(job_id) ?? 0) + 1);
        if (last_known === true) log.problem(`${name} lists job ${job_id} as one of a node that is away`);
      }
      cursor = page.next_cursor;
    }
    for (const { id } of jobs)
      if (listed.get(id) !== 1) log.problem(`${name} lists job ${id} ${listed.get(id) ?? 0} times`);
  }
}

interface PageRow {
  readonly first: number;
  readonly count: number;
}

/** Looks into the files, past all of our code. The nodes have ended. */
export function verifyStores(nodes: readonly FleetNode[], jobs: readonly Acknowledged[], log: Log): void {
  for (const node of nodes) {
    const database = new Database(node.store, { readonly: true });
    try {
      const health = database.pragma('integrity_check', { simple: true });
      if (health !== 'ok') log.problem(`the store of ${node.name} is damaged: ${String(health)}`);
      const number = database.prepare('SELECT number FROM jobs WHERE id = ?').pluck();
      const pages = database.prepare('SELECT first, count FROM result_pages WHERE job = ? ORDER BY first');
      for (const { id, order, owner } of jobs) {
        const job = number.get(id);
        if (owner !== node && job !== undefined)
          log.problem(`job ${id} of ${owner.name} is at ${node.name}, too`);
        if (owner !== node) continue;
        const end = (pages.all(job) as PageRow[]).reduce(
          (at, { first, count }) => (first === at ? at + count : -1),
          0,
        );
        if (end !== order.count)
          log.problem(`the tasks of job ${id} of ${node.name} were not recorded once each`);
      }
    } finally {
      database.close();
    }
  }
}
