/**
 * Results as lines, as fast as they are read and no faster: each page of the Queen's becomes one write, and the next is
 * asked for when that one has left. Reading goes on where it stopped, by `after`.
 */
import { Readable } from 'node:stream';
import type { EncodedResults } from '@hive/client';
import { sizeAt } from '@hive/shared';
import type { Static } from '@sinclair/typebox';
import type { KeySession } from '../access/sessions.ts';
import { LineWriter } from '../ndjson/from-pages.ts';
import { Problem } from '../problem.ts';
import { JobParams, ResultsQuery, TaskParams } from '../schemas.ts';
import { type App, type Context, findLiveJob, PREFIX, type Reply } from './context.ts';

const TAGS = ['results'];
const NDJSON = 'application/x-ndjson; charset=utf-8';

export function addResultRoutes(app: App, context: Context): void {
  app.get<{ Params: Static<typeof JobParams>; Querystring: Static<typeof ResultsQuery> }>(
    `${PREFIX}/jobs/:id/results`,
    {
      schema: { params: JobParams, querystring: ResultsQuery },
      config: {
        described: {
          operationId: 'getResults',
          summary: 'Results, one line each, until the job has ended',
          description:
            'In the order of the inputs, or as they finish. Broken off, go on with after= the last index, or the last cursor, that was read.',
          tags: TAGS,
          streams: { 'application/x-ndjson': 'One result a line: index, outcome, and value or error' },
        },
      },
    },
    async ({ caller, params: { id }, query: { order, after } }, reply) => {
      const isOrdered = order === 'index';
      const from = isOrdered ? indexAfter(after) : cursorAfter(after);
      if (caller.isObserver) throw noResults();
      const info = await findLiveJob(caller, id);
      return sendStream(context, reply, caller.session, NDJSON, async function* (hive) {
        const handle = await hive.open(id);
        const { encoding } = handle;
        const writer = new LineWriter({ job: id, kind: info.kind, encoding, withCursor: !isOrdered });
        yield HEAD;
        const pages = handle.encodedResults({ ordered: isOrdered, after: isOrdered ? from.index : from.seq });
        for await (const page of pages) {
          for (const { output } of page.streams) output.close();
          const lines = writer.write(page, isOrdered || page.seq === from.seq + 1 ? from.index : 0);
          context.metrics.lines('out', page.count);
          if (lines.length > 0) yield lines;
        }
      });
    },
  );
  addValue(app, context);
}

const noResults = () =>
  new Problem(
    403,
    'not_permitted',
    'A key of the role observer reads no results. Use one of the role client.',
  );

interface Place {
  readonly seq: number;
  readonly index: number;
}

function indexAfter(after: string | undefined): Place {
  if (after === undefined) return { seq: 0, index: 0 };
  if (/^\d{1,15}$/.test(after)) return { seq: 0, index: Number(after) + 1 };
  throw new Problem(400, 'bad_cursor', 'after takes the index of the last result that was read.');
}

/** Pages before that of the cursor were read whole, its own page up to that index. */
function cursorAfter(after: string | undefined): Place {
  if (after === undefined) return { seq: 0, index: 0 };
  const [, seq, index] = /^(\d{1,15})\.(\d{1,15})$/.exec(after) ?? [];
  if (seq !== undefined && index !== undefined && Number(seq) > 0)
    return { seq: Number(seq) - 1, index: Number(index) + 1 };
  throw new Problem(400, 'bad_cursor', 'after takes the cursor of the last result that was read.');
}

/** Nothing, but with it the head of the answer leaves: the first result may be long in coming. */
export const HEAD = Buffer.alloc(0);

/** A session of its own feeds it, so that its reader slows nobody else; both end with it. */
export async function sendStream(
  { streams }: Context,
  reply: Reply,
  session: KeySession,
  type: string,
  make: (hive: Awaited<ReturnType<KeySession['stream']>>) => AsyncIterable<Uint8Array | string>,
): Promise<Reply> {
  // Broken off, so that its reader knows that there was more.
  const leave = streams.enter(() => reply.raw.destroy());
  let hive: Awaited<ReturnType<KeySession['stream']>>;
  try {
    hive = await session.stream();
  } catch (error) {
    leave();
    throw error;
  }
  // One chunk ahead: a page is up to a megabyte.
  const body = Readable.from(make(hive), { highWaterMark: 1 });
  // Closing the session is what wakes a reading that waits for a result which may never come.
  const end = () => {
    leave();
    void session.leave(hive).catch(() => {});
    body.destroy();
  };
  body.once('close', end);
  reply.raw.once('close', end);
  return reply.type(type).send(body);
}

function addValue(app: App, context: Context): void {
  app.get<{ Params: Static<typeof TaskParams> }>(
    `${PREFIX}/jobs/:id/tasks/:index/value`,
    {
      schema: { params: TaskParams },
      config: {
        described: {
          operationId: 'getValue',
          summary: 'What one task gave, as the bytes that it is stored as, of any length',
          description:
            "msgpack for most kinds; of a stream without an encoding, and of raw jobs, the task's own bytes.",
          tags: TAGS,
          streams: { 'application/octet-stream': 'The bytes' },
        },
      },
    },
    async ({ caller, params: { id, index } }, reply) => {
      if (caller.isObserver) throw noResults();
      await findLiveJob(caller, id);
      return sendStream(context, reply, caller.session, 'application/octet-stream', async function* (hive) {
        const handle = await hive.open(id);
        for await (const page of handle.encodedResults({ after: index })) {
          if (index < page.first || index >= page.first + page.count) continue;
          yield* valueIn(page, index);
          return;
        }
      });
    },
  );
}

async function* valueIn(page: EncodedResults, index: number): AsyncGenerator<Uint8Array> {
  const failure = page.failures.find((one) => one.index === index);
  const given = bytesAt(page, index - page.first);
  const stream = page.streams.find((one) => one.index === index);
  if (failure !== undefined && given.length === 0 && stream === undefined)
    throw new Problem(409, 'no_value', `Task ${index} gave nothing: ${failure.message}`);
  if (stream !== undefined) yield* stream.output.chunks();
  else yield given;
}

function bytesAt(page: EncodedResults, position: number): Uint8Array {
  let offset = 0;
  for (let at = 0; at < position; at++) offset += sizeAt(page, at);
  return page.data.subarray(offset, offset + sizeAt(page, position));
}
