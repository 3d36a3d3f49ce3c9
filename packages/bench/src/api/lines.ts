/** The large upload: lines up as a stream, hashed, results read back and looked at while they come. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

const LINES_PER_WRITE = 4_096;
/** Every so many results are compared with a digest made here; of all, the index is checked. */
const CHECK_EVERY = 64;
const NEWLINE = 0x0a;

export interface LinesTimes {
  readonly uploadMillis: number;
  readonly totalMillis: number;
}

/** Times begin with the first byte up; the last is when the last result has been read. */
export async function uploadAndRead(port: number, lines: number): Promise<LinesTimes> {
  const start = performance.now();
  const id = await upload(port, lines);
  const uploadMillis = performance.now() - start;
  await readResults(port, id, lines);
  return { uploadMillis, totalMillis: performance.now() - start };
}

async function upload(port: number, lines: number): Promise<string> {
  const path = '/api/v1/jobs?kind=hash&name=bench';
  const headers = { 'content-type': 'application/x-ndjson' };
  const sending = request({ host: '127.0.0.1', port, method: 'POST', path, headers });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  for (let at = 0; at < lines; at += LINES_PER_WRITE) {
    let text = '';
    for (let i = at; i < Math.min(lines, at + LINES_PER_WRITE); i++) text += `"line ${i}"\n`;
    if (!sending.write(text)) await once(sending, 'drain');
  }
  sending.end();
  const [response] = await answered;
  const text = await textOf(response);
  if (response.statusCode !== 201) throw new Error(`the upload gave ${response.statusCode}: ${text}`);
  return (JSON.parse(text) as { job_id: string }).job_id;
}

async function readResults(port: number, id: string, lines: number): Promise<void> {
  const asking = request({ host: '127.0.0.1', port, path: `/api/v1/jobs/${id}/results` });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let index = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = all.indexOf(NEWLINE, at); end >= 0; end = all.indexOf(NEWLINE, at)) {
      if (index % CHECK_EVERY === 0) check(all.toString('latin1', at, end), index);
      index++;
      at = end + 1;
    }
    rest = all.subarray(at);
  }
  if (index !== lines) throw new Error(`${index} results came of ${lines}`);
}

function check(line: string, index: number): void {
  const result = JSON.parse(line) as { index: number; value: string };
  if (result.index !== index || result.value !== hash('sha256', `line ${index}`))
    throw new Error(`the result of line ${index} is wrong: ${line}`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}
