/** What happens in the Hive, as server-sent events: for pages that show it, and for whoever waits for a job. */
import { Readable } from 'node:stream';
import type { DroneInfo, JobInfo } from '@hive/client';
import type { Static } from '@sinclair/typebox';
import type { Caller } from '../access/callers.ts';
import type { HiveEvent } from '../event-log.ts';
import { jobView } from '../job-view.ts';
import { peerOf } from '../peers.ts';
import { EventHeaders } from '../schemas.ts';
import { type App, type Context, PREFIX } from './context.ts';

/** Events that wait for a slow reader; then its stream ends, and it comes back with the last id that it has. */
const WAITING_MAX = 20_000;
/** A comment is sent so often, so that who is gone is noticed, and a key that was taken ends its stream. */
const ALIVE_MILLIS = 1_000;

export function addEventRoutes(app: App, context: Context): void {
  const { streams } = context;
  app.get<{ Headers: Static<typeof EventHeaders> }>(
    `${PREFIX}/events`,
    {
      schema: { headers: EventHeaders },
      config: {
        described: {
          operationId: 'events',
          summary: 'Jobs and peers that change, as server-sent events',
          description:
            'job, drone and drone_left, each with an id. With Last-Event-ID it goes on behind that event; an id that is not remembered, or none, gives reset and then how things are.',
          tags: ['hive'],
          streams: { 'text/event-stream': 'Events' },
        },
      },
    },
    async ({ caller, headers }, reply) => {
      await caller.session.hive();
      const aborted = new AbortController();
      const leave = streams.enter(() => reply.raw.destroy());
      const lines = eventLines(
        context,
        caller,
        headers['last-event-id'] as string | undefined,
        aborted.signal,
      );
      const body = Readable.from(lines, { highWaterMark: 16 });
      const end = () => {
        aborted.abort();
        leave();
      };
      body.once('close', end);
      reply.raw.once('close', end);
      return reply.type('text/event-stream; charset=utf-8').send(body);
    },
  );
}

async function* eventLines(
  context: Context,
  caller: Caller,
  lastId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const waiting: HiveEvent[] = [];
  let wake = () => {};
  const unlisten = context.events.listen(lastId, (event) => {
    waiting.push(event);
    wake();
  });
  const alive = setInterval(() => wake(), ALIVE_MILLIS);
  const stop = () => wake();
  signal.addEventListener('abort', stop);
  try {
    yield 'retry: 1000\n\n';
    while (!signal.aborted && waiting.length <= WAITING_MAX && (await isStillAllowed(caller))) {
      const event = waiting.shift();
      if (event !== undefined) yield textOf(context, event);
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (waiting.length === 0 && !signal.aborted) yield ':\n\n';
      }
    }
  } finally {
    clearInterval(alive);
    signal.removeEventListener('abort', stop);
    unlisten();
  }
}

/** The Queen closes the session of a key that is revoked. */
async function isStillAllowed({ session }: Caller): Promise<boolean> {
  try {
    await session.hive();
    return true;
  } catch {
    return false;
  }
}

function textOf(context: Context, { id, type, data }: HiveEvent): string {
  let shown = data;
  if (type === 'job') {
    shown = jobView(data as JobInfo, context.nodeName);
  } else if (type === 'drone') shown = peerOf(data as DroneInfo, new Date());
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(shown)}\n\n`;
}
