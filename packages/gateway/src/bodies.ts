/** How bodies are read: JSON whole, lines as a stream; and the sentences for what is neither. */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

export const NDJSON_TYPES = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
];
/** What curl and others say of a body when they are not told; here such a body is JSON. */
const NO_TYPES = /^(?:application\/x-www-form-urlencoded|text\/plain|application\/octet-stream)\b/i;

export function setParsers(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    // Decoding would put other letters in place of what is wrong, and a command of other letters is another one.
    else if (!isUtf8(body)) done(new Problem(400, 'bad_json', 'The body is not UTF-8; JSON is.'));
    else {
      const text = body.toString('utf8');
      void parse(request, text, (error, value) => done(error === null ? null : notJson(text), value));
    }
  });
  app.addContentTypeParser(NDJSON_TYPES, (_request, payload, done) => done(null, payload));
}

function notJson(text: string): Problem {
  try {
    JSON.parse(text);
  } catch (error) {
    return new Problem(400, 'bad_json', `The body is not JSON: ${(error as Error).message}.`);
  }
  return new Problem(
    400,
    'bad_json',
    'The body has a field "__proto__", or a "constructor" with a "prototype": leave it out.',
  );
}

/** Before the body is read. @throws Problem 415 */
export function settleBody({ raw, headers, method }: FastifyRequest): void {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity')
    throw new Problem(
      415,
      'unsupported_media_type',
      `Bodies are not unpacked here: send it without Content-Encoding (${coding}).`,
    );
  const type = headers['content-type'];
  if (type !== undefined && !NO_TYPES.test(type)) return;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  // Who posts nothing is told what to post.
  if (hasBody || method === 'POST') raw.headers['content-type'] = 'application/json';
  else delete raw.headers['content-type'];
}

/** Of a route that takes no lines. @throws Problem 415 */
export async function refuseLines({ headers }: FastifyRequest): Promise<void> {
  const [type = ''] = (headers['content-type'] ?? '').toLowerCase().split(';');
  if (NDJSON_TYPES.includes(type.trim()))
    throw new Problem(
      415,
      'unsupported_media_type',
      'This takes JSON (Content-Type: application/json); lines are inputs of one job, for POST /api/v1/jobs.',
    );
}
