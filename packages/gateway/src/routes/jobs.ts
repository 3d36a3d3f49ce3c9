/** Jobs and their tasks: lists, one, its story, its end. */
import type { AttemptInfo, JobInfo, JobsPlace } from '@hive/client';
import type { Static } from '@sinclair/typebox';
import type { Caller } from '../access/callers.ts';
import { hasEnded, isSingle, jobView } from '../job-view.ts';
import { Problem } from '../problem.ts';
import {
  Explanation,
  Job,
  type JobBody,
  JobPage,
  JobParams,
  PageQuery,
  type ResultBody,
  Task,
  TaskParams,
} from '../schemas.ts';
import { type App, type Context, findJob, findLiveJob, PREFIX } from './context.ts';

const TAGS = ['jobs'];
type ById = { Params: Static<typeof JobParams> };

export function addJobRoutes(app: App, context: Context): void {
  addList(app, context);
  addOne(app, context);
  addStories(app);
}

function addList(app: App, context: Context): void {
  const { nodeName } = context;
  app.get<{ Querystring: Static<typeof PageQuery> }>(
    `${PREFIX}/jobs`,
    {
      schema: { querystring: PageQuery, response: { 200: JobPage } },
      config: { described: { operationId: 'listJobs', summary: 'Jobs, the newest first', tags: TAGS } },
    },
    async ({ caller: { session }, query: { limit, cursor } }) => {
      const hive = await session.hive();
      const { jobs, next } = await hive.jobsPage({
        limit,
        everywhere: true,
        ...(cursor === undefined ? {} : { before: placeOf(cursor) }),
      });
      const shown = jobs.map((info): JobBody => jobView(info, nodeName));
      return { jobs: shown, next_cursor: next === undefined ? null : cursorOf(next) };
    },
  );
}

const PLACE = /^before (\d{4}-\d\d-\d\dT[\d:.]{8,20}Z [0-9a-f-]{36})$/;
const cursorOf = (place: JobsPlace): string => Buffer.from(`before ${place}`).toString('base64url');
function placeOf(cursor: string): JobsPlace {
  const [, place] = PLACE.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (place !== undefined) return place;
  throw new Problem(400, 'bad_cursor', 'This is no cursor; take next_cursor of the page before.');
}

function addOne(app: App, context: Context): void {
  app.get<ById>(
    `${PREFIX}/jobs/:id`,
    {
      schema: { params: JobParams, response: { 200: Job } },
      config: {
        described: { operationId: 'getJob', summary: 'A job, with the result of its one task', tags: TAGS },
      },
    },
    async ({ caller, params: { id } }) => bodyOf(context, caller, await findJob(caller, id)),
  );
  app.delete<ById>(
    `${PREFIX}/jobs/:id`,
    {
      schema: { params: JobParams, response: { 200: Job } },
      config: {
        described: {
          operationId: 'cancelJob',
          summary: 'Cancel a job: what runs is stopped, the rest never starts',
          description: 'Harmless for a job that has ended; the answer says where it stands.',
          tags: TAGS,
        },
      },
    },
    async ({ caller, params: { id } }) => {
      await findLiveJob(caller, id);
      const hive = await caller.session.hive();
      return bodyOf(context, caller, await hive.cancel(id, { reason: 'it was cancelled over HTTP' }));
    },
  );
}

async function bodyOf(context: Context, { isObserver, session }: Caller, info: JobInfo): Promise<JobBody> {
  const { results, nodeName } = context;
  if (isObserver || info.lastKnownAt !== undefined) return jobView(info, nodeName);
  let result: ResultBody | null = null;
  if (isSingle(info) && hasEnded(info)) result = await results.of(() => session.results(), info);
  return jobView(info, nodeName, result);
}

function addStories(app: App): void {
  app.get<{ Params: Static<typeof TaskParams> }>(
    `${PREFIX}/jobs/:id/tasks/:index`,
    {
      schema: { params: TaskParams, response: { 200: Task } },
      config: {
        described: {
          operationId: 'getTask',
          summary: 'The story of one task: every attempt, where, and how it ended',
          tags: TAGS,
        },
      },
    },
    async ({ caller, params: { id, index } }) => {
      const info = await findLiveJob(caller, id);
      if (index >= info.counts.appended)
        throw new Problem(
          404,
          'unknown_task',
          `Job ${id} has no task ${index}; it has ${info.counts.appended}.`,
        );
      const { state, drone, attempts } = await (await caller.session.hive()).task(id, index);
      const where = drone === undefined ? {} : { node_id: drone };
      return { job_id: id, index, state, ...where, attempts: attempts.map(attemptBody) };
    },
  );
  app.get<ById>(
    `${PREFIX}/jobs/:id/explain`,
    {
      schema: { params: JobParams, response: { 200: Explanation } },
      config: {
        described: {
          operationId: 'explainJob',
          summary: 'Why a job is where it is, in sentences',
          tags: TAGS,
        },
      },
    },
    async ({ caller, params: { id } }) => {
      return { job_id: id, lines: [...(await (await caller.session.hive()).explain(id))] };
    },
  );
}

function attemptBody({ outcome, code, message, drone, startedAt, endedAt, millis }: AttemptInfo) {
  return {
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(drone === undefined ? {} : { node_id: drone }),
    ...(startedAt === undefined ? {} : { started_at: startedAt }),
    finished_at: endedAt,
    ...(millis === undefined ? {} : { seconds: millis / 1000 }),
  };
}
