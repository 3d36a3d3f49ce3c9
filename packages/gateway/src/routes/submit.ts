/**
 * Giving work: one job, a batch of jobs, or lines of any number as one job's inputs. A job is answered for once it is
 * durable with all of its inputs; then nothing but the Hive's own promises is needed for it to end.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { EncodedValues, Hive, JobInfo, Receipt } from '@hive/client';
import type { UsageError } from '@hive/shared';
import type { Static } from '@sinclair/typebox';
import { Type } from '@sinclair/typebox';
import type { Caller } from '../access/callers.ts';
import { refuseLines } from '../bodies.ts';
import { commandOf, hasEnded, pinnedTo, STATUSES } from '../job-view.ts';
import { knownElsewhere, noteOn } from '../known-elsewhere.ts';
import { pagesOf } from '../ndjson/to-pages.ts';
import { inputsBrokeOff, inputsStillCome, keyReused, noBody, Problem, problemOf } from '../problem.ts';
import {
  Accepted,
  Batch,
  BatchAnswer,
  Submission,
  type SubmissionBody,
  SubmitHeaders,
  type UploadOptions,
  UploadQuery,
} from '../schemas.ts';
import { idOf, type Order, orderOf, uploadOrderOf } from '../submission.ts';
import { TargetNodes } from '../target-node.ts';
import { type App, type Context, PREFIX, type Request } from './context.ts';

const TAGS = ['jobs'];
const CREATED = 201;
/** Submissions with a key of their own that are remembered, to tell a repetition from a mistake. */
const REPEATED_MAX = 10_000;
type AcceptedBody = Static<typeof Accepted>;

export function addSubmitRoutes(app: App, context: Context): void {
  const desk = new Desk(context);
  app.post<{ Querystring: UploadOptions; Body: unknown; Headers: Static<typeof SubmitHeaders> }>(
    `${PREFIX}/jobs`,
    {
      schema: {
        querystring: UploadQuery,
        headers: SubmitHeaders,
        body: {
          content: {
            'application/json': { schema: Submission },
            'application/x-ndjson': {
              schema: Type.Unknown({ description: 'One input a line, as JSON; any number of lines' }),
            },
          },
        },
        response: { [CREATED]: Accepted },
      },
      config: {
        described: {
          operationId: 'submitJob',
          summary: 'Give a job',
          description:
            'JSON: a command, or a kind and its inputs. NDJSON: the inputs as lines, the rest in the query. Answered when it is durable.',
          tags: TAGS,
        },
      },
    },
    async (request, reply) => {
      const accepted = isStream(request.body)
        ? await desk.upload(request, request.body, request.query)
        : await desk.submit(request, request.body as SubmissionBody | undefined, request.query);
      return reply.code(CREATED).header('location', `${PREFIX}/jobs/${accepted.job_id}`).send(accepted);
    },
  );
  app.post<{ Body: Static<typeof Batch> }>(
    `${PREFIX}/jobs/batch`,
    {
      preParsing: refuseLines,
      schema: { body: Batch, response: { 200: BatchAnswer } },
      config: {
        described: {
          operationId: 'submitBatch',
          summary: 'Give many jobs at once',
          description:
            'Each is accepted or refused for itself. Give each a job_id of your own if you may have to send the batch again.',
          tags: TAGS,
        },
      },
    },
    async (request) => ({ jobs: await desk.batch(request) }),
  );
}

const isStream = (body: unknown): body is IncomingMessage =>
  typeof (body as IncomingMessage | null)?.pipe === 'function';

class Desk {
  readonly #context: Context;
  readonly #nodes: TargetNodes;
  readonly #repeated = new Map<
    string,
    { readonly digest: string; readonly accepted: Promise<AcceptedBody> }
  >();

  constructor(context: Context) {
    this.#context = context;
    this.#nodes = new TargetNodes(() => context.own.hive());
  }

  async submit(
    { caller, headers }: Request,
    body: SubmissionBody | undefined,
    query: UploadOptions,
  ): Promise<AcceptedBody> {
    if (body === undefined) throw noBody();
    const [stray] = Object.keys(query);
    if (stray !== undefined)
      throw new Problem(
        400,
        'invalid_request',
        `"${stray}" stands in the query; with a JSON body it belongs into the body.`,
      );
    const key = headers['idempotency-key'] as string | undefined;
    const id = idOf(body.job_id, caller.id, key);
    return this.#once(body.job_id ?? key, id, JSON.stringify(body), () =>
      this.#accept(caller, orderOf(body, id), body.target_node, (body.job_id ?? key) !== undefined),
    );
  }

  async batch({ caller, body }: Request): Promise<unknown[]> {
    const { jobs } = body as Static<typeof Batch>;
    const all = jobs.map((job) => this.#oneOf(caller, job));
    return Promise.all(all);
  }

  async #oneOf(caller: Caller, job: SubmissionBody): Promise<unknown> {
    const id = idOf(job.job_id, caller.id, undefined);
    try {
      return await this.#once(job.job_id, id, JSON.stringify(job), () =>
        this.#accept(caller, orderOf(job, id), job.target_node, job.job_id !== undefined),
      );
    } catch (error) {
      return problemOf(error).body(`${PREFIX}/jobs`);
    }
  }

  /** The lines of the body become inputs as they come, no faster than the Queen takes them; no line is held here. */
  async upload(
    { caller, headers }: Request,
    body: IncomingMessage,
    query: UploadOptions,
  ): Promise<AcceptedBody> {
    const { streams, metrics } = this.#context;
    const key = headers['idempotency-key'] as string | undefined;
    const id = idOf(query.job_id, caller.id, key);
    const order = uploadOrderOf(query, id);
    const leave = streams.enter(() => body.destroy(new Problem(503, 'stopping', 'The gateway is stopping.')));
    try {
      const lines = counted(pagesOf(body), (count) => metrics.lines('in', count));
      return await this.#accept(
        caller,
        { ...order, inputs: lines },
        query.target_node,
        (query.job_id ?? key) !== undefined,
      );
    } finally {
      leave();
    }
  }

  /** Submits what has not been submitted yet; the same again is answered as before, something else is refused. */
  async #once(
    name: string | undefined,
    id: string,
    body: string,
    accept: () => Promise<AcceptedBody>,
  ): Promise<AcceptedBody> {
    if (name === undefined) return accept();
    const digest = createHash('sha256').update(body).digest('base64');
    const known = this.#repeated.get(id);
    if (known !== undefined) {
      if (known.digest === digest) return known.accepted;
      throw keyReused();
    }
    const accepted = accept();
    this.#repeated.set(id, { digest, accepted });
    if (this.#repeated.size > REPEATED_MAX) this.#repeated.delete(this.#repeated.keys().next().value!);
    try {
      return await accepted;
    } catch (error) {
      this.#repeated.delete(id);
      throw error;
    }
  }

  /** @param target the node that it is pinned to */
  async #accept(
    { session }: Caller,
    order: Order,
    target: string | undefined,
    isNamed: boolean,
  ): Promise<AcceptedBody> {
    const hive = await session.hive();
    const { nodeName, mesh } = this.#context;
    const elsewhere = isNamed && mesh !== null ? await knownElsewhere(hive, order) : null;
    if (elsewhere !== null)
      return { ...acceptedBody(elsewhere, order, elsewhere.nodeName!), message: noteOn(elsewhere) };
    const note = target === undefined ? null : await this.#noteOn(hive, target, order.id);
    const accepted = acceptedBody(await submit(hive, order), order, nodeName);
    return note === null ? accepted : { ...accepted, message: note };
  }

  /** A job that is here already was let in when its node was known. @throws Problem 422 */
  async #noteOn(hive: Hive, target: string, id: string): Promise<string | null> {
    try {
      return await this.#nodes.noteOn(target);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await hive.job(id).catch(() => {
        throw error;
      });
      return null;
    }
  }
}

/** @throws UsageError with what it was refused for; Problem 422 when the id belongs to another job */
async function submit(hive: Hive, order: Order): Promise<Receipt> {
  try {
    const receipt = await hive.handOver(order);
    return receipt.state === 'cancelled' ? await wholeJob(hive, order.id) : receipt;
  } catch (error) {
    const { code } = error as UsageError;
    // This client has it under way already: it is the same job, or the Queen said so before.
    if (code === 'jobHeld') return wholeJob(hive, order.id);
    if (code !== 'jobDiffers') throw error;
    throw keyReused();
  }
}

/**
 * @throws Problem 409 while its inputs still come with another request, which cancels the job if it breaks off; or when that has
 * happened, or it was cancelled meanwhile: nothing more of it will run
 */
async function wholeJob(hive: Hive, id: string): Promise<Receipt> {
  const job = await hive.job(id);
  if (job.sealed) return job;
  throw hasEnded(job) ? inputsBrokeOff(job) : inputsStillCome(job);
}

function acceptedBody(
  { id, name, kind, state, createdAt }: Receipt | JobInfo,
  { labels, params }: Order,
  node: string,
): AcceptedBody {
  const command = commandOf({ kind, name, params: (params ?? {}) as NonNullable<JobInfo['params']> });
  return {
    job_id: id,
    target_node: pinnedTo(labels) ?? node,
    ...(command === null ? {} : { command }),
    status: STATUSES[state],
    created_at: createdAt,
    name,
    kind,
  };
}

async function* counted(
  pages: AsyncIterable<EncodedValues>,
  tell: (count: number) => void,
): AsyncGenerator<EncodedValues> {
  for await (const page of pages) {
    tell(page.count);
    yield page;
  }
}
