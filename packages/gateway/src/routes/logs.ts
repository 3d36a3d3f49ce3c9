/**
 * What commands print: live while they run, and what is kept of it once they have ended. A reader who comes late, or
 * whose connection was slow, gets the rest from the results, by the offsets of what was sent already.
 */
import type { Hive, Printed } from '@hive/client';
import { readCommandResult } from '@hive/client';
import type { Static } from '@sinclair/typebox';
import { JobParams, LogsQuery } from '../schemas.ts';
import { type App, type Context, findLiveJob, PREFIX } from './context.ts';
import { HEAD, sendStream } from './results.ts';

interface Piece {
  readonly index: number;
  readonly stream: 'stdout' | 'stderr';
  readonly offset: number;
  readonly data: Uint8Array;
}
type Format = (piece: Piece) => string | Uint8Array;
/** Tasks whose live output is remembered by its length; of others, all that is kept comes again at the end. */
const SENT_MAX = 100_000;

export function addLogRoutes(app: App, context: Context): void {
  app.get<{ Params: Static<typeof JobParams>; Querystring: Static<typeof LogsQuery> }>(
    `${PREFIX}/jobs/:id/logs`,
    {
      schema: { params: JobParams, querystring: LogsQuery },
      config: {
        described: {
          operationId: 'getLogs',
          summary: 'What the commands of a job print, while they run',
          description:
            'Ends with the job; with follow=false at once, with what has ended. format=text gives the bytes alone.',
          tags: ['results'],
          streams: {
            'application/x-ndjson': 'One piece a line: index, stream, offset and text',
            'text/plain': 'The bytes as they were printed',
          },
        },
      },
    },
    async ({ caller, params: { id }, query: { index, follow, format } }, reply) => {
      const info = await findLiveJob(caller, id);
      const isText = format === 'text';
      const type = isText ? 'text/plain; charset=utf-8' : 'application/x-ndjson; charset=utf-8';
      const write: Format = isText ? ({ data }) => data : line;
      return sendStream(context, reply, caller.session, type, (hive) =>
        printed(
          hive,
          id,
          {
            index,
            isFollowing: follow,
            isCommand: info.kind === 'command',
            mayReadResults: !caller.isObserver,
          },
          write,
        ),
      );
    },
  );
}

function line({ index, stream, offset, data }: Piece): string {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  return `${JSON.stringify({ index, stream, offset, text })}\n`;
}

interface Wanted {
  readonly index: number | undefined;
  readonly isFollowing: boolean;
  readonly isCommand: boolean;
  readonly mayReadResults: boolean;
}

async function* printed(
  hive: Hive,
  id: string,
  wanted: Wanted,
  write: Format,
): AsyncGenerator<string | Uint8Array> {
  if (!wanted.isCommand) return;
  const { index, isFollowing } = wanted;
  const handle = await hive.open(id);
  yield HEAD;
  const sent = new Map<string, number>();
  if (isFollowing) {
    for await (const piece of handle.output(index === undefined ? {} : { index })) {
      if (!note(sent, piece)) continue;
      yield write(piece);
    }
  } else if (!(await hasEnded(hive, id))) return;
  if (!wanted.mayReadResults) return;
  for await (const piece of kept(handle, index)) {
    const rest = behind(piece, sent.get(`${piece.index} ${piece.stream}`) ?? 0);
    if (rest !== null) yield write(rest);
  }
}

async function hasEnded(hive: Hive, id: string): Promise<boolean> {
  const { state } = await hive.job(id);
  return state !== 'waiting' && state !== 'running';
}

/** False: a later attempt, or a gap before it; the results tell the rest at the end. */
function note(sent: Map<string, number>, { index, stream, offset, data }: Printed): boolean {
  const key = `${index} ${stream}`;
  const had = sent.get(key);
  if (had === undefined && sent.size >= SENT_MAX) return false;
  if (offset !== (had ?? 0)) return false;
  sent.set(key, offset + data.length);
  return true;
}

/** What of a piece comes after so many bytes of its stream. */
function behind(piece: Piece, had: number): Piece | null {
  const end = piece.offset + piece.data.length;
  if (end <= had) return null;
  const skip = Math.max(0, had - piece.offset);
  return { ...piece, offset: piece.offset + skip, data: piece.data.subarray(skip) };
}

/** What is kept of what the tasks printed, as their results have it. */
async function* kept(
  handle: Awaited<ReturnType<Hive['open']>>,
  only: number | undefined,
): AsyncGenerator<Piece> {
  for await (const { index, value } of handle.results({ streams: true, after: only ?? 0 })) {
    if (only !== undefined && index > only) return;
    if (value === undefined) continue;
    const { stdout, stderr } = await readCommandResult(value);
    for (const [stream, output] of [
      ['stderr', stderr],
      ['stdout', stdout],
    ] as const) {
      let at = 0;
      for await (const chunk of output.chunks()) {
        const gap = output.cut !== null && at >= output.cut.at ? output.cut.bytes : 0;
        if (chunk.length > 0) yield { index, stream, offset: at + gap, data: chunk };
        at += chunk.length;
      }
    }
  }
}
