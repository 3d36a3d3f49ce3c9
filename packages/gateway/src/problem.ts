/**
 * Every error that leaves the gateway is a problem of RFC 9457: one media type, a code for programs, a sentence for people.
 * What the Queen or the client library refused keeps its own code and sentence; only the status is chosen here.
 */
import type { JobInfo } from '@hive/client';
import { UsageError } from '@hive/shared';
import { type Failing, type FieldProblem, fieldsOf, sentenceOf } from './field-problems.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface ProblemOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly errors?: readonly FieldProblem[];
  /** Members of the document beyond those of every problem, for programs. */
  readonly members?: Readonly<Record<string, string>>;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** snake_case; the last part of its type. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly errors: readonly FieldProblem[];
  readonly members: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    detail: string,
    { headers = {}, errors = [], members = {} }: ProblemOptions = {},
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.errors = errors;
    this.members = members;
  }

  /** The document, for the request with this path. */
  body(instance: string): Readonly<Record<string, unknown>> {
    const { status, code, message, errors, members } = this;
    return {
      type: `urn:hive:problem:${code}`,
      title: TITLES[status] ?? 'Error',
      status,
      detail: message,
      instance,
      code,
      ...members,
      ...(errors.length === 0 ? {} : { errors }),
    };
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'A key is needed',
  403: 'Not permitted',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  408: 'Too slow',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  414: 'Too long',
  415: 'Unsupported media type',
  417: 'Not expected',
  422: 'Not possible as asked',
  429: 'Too many requests',
  431: 'Too large',
  500: 'Internal error',
  503: 'Not available now',
  507: 'No room',
};

/** What the Queen and the client library refuse, by their codes. Others are the caller's mistake: 422. */
const STATUS: Readonly<Record<string, number>> = {
  unknownJob: 404,
  unknownDrone: 404,
  badJobId: 400,
  badQuestion: 400,
  badKey: 401,
  notPermitted: 403,
  jobDiffers: 409,
  jobEnded: 409,
  jobHeld: 409,
  resultsTaken: 409,
  jobLost: 410,
  streamFailed: 410,
  tooLarge: 413,
  tooManyJobs: 429,
  storeLow: 507,
  damagedStore: 500,
  nodeAway: 503,
  noQueen: 503,
  closed: 503,
  stopping: 503,
};

/** What to do next over HTTP, where the sentence does not say it. */
const HINTS: Readonly<Record<string, string>> = {
  unknownJob:
    ' GET /api/v1/jobs lists those that there are; a job that has ended is removed after its retention.',
};

/** An RFC 6750 challenge belongs to every 401. */
export const CHALLENGE = { 'www-authenticate': 'Bearer realm="hive"' };

/** Whatever was thrown, as a problem. What nobody foresaw says nothing of the inside. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UsageError) {
    const status = STATUS[error.code] ?? 422;
    const text = `${error.message}${HINTS[error.code] ?? ''}`;
    return new Problem(status, snake(error.code), text, { headers: headersFor(status) });
  }
  return ofFastify(error as FastifyLike);
}

function headersFor(status: number): Record<string, string> {
  if (status === 401) return CHALLENGE;
  return status === 503 || status === 429 ? { 'retry-after': '1' } : {};
}

export const noBody = (): Problem =>
  new Problem(400, 'no_body', 'Send the job as JSON: {"command": "echo hello"}.');

export const keyReused = (): Problem =>
  new Problem(
    422,
    'key_reused',
    'This idempotency key, or job_id, was used for another job. Take a new one.',
  );

/** Another request sends the inputs of a job, which is cancelled if it breaks off. */
export const inputsStillCome = ({ id }: JobInfo): Problem =>
  new Problem(
    409,
    'job_held',
    `Another request is still sending the inputs of job ${id}. Send this one again when that has ended.`,
  );

export const inputsBrokeOff = ({ id, message }: JobInfo): Problem =>
  new Problem(
    409,
    'job_cancelled',
    `Job ${id} was cancelled before all of its inputs had come${message === undefined ? '' : ` (${message})`}, and nothing more of it runs. Send it with another idempotency key, or job_id.`,
  );

/** As Fastify throws them. */
interface FastifyLike {
  readonly statusCode?: number;
  readonly message: string;
  readonly validation?: readonly Failing[];
  readonly validationContext?: string;
}

function ofFastify({ statusCode = 500, message, validation, validationContext }: FastifyLike): Problem {
  if (validation !== undefined) {
    const [first] = validation;
    if (validationContext === 'body' && first?.instancePath === '' && (first.data ?? null) === null)
      return noBody();
    const errors = fieldsOf(validation);
    return new Problem(400, 'invalid_request', sentenceOf(errors, validationContext ?? ''), { errors });
  }
  if (statusCode === 413)
    return new Problem(
      413,
      'too_large',
      'The body is too large. Send many inputs as NDJSON: such a body may have any length.',
    );
  if (statusCode === 415)
    return new Problem(
      415,
      'unsupported_media_type',
      "Send JSON (Content-Type: application/json), or a job's inputs as application/x-ndjson.",
    );
  if (statusCode === 414)
    return new Problem(414, 'too_large', 'The path is too long: a name in it has 100 characters at most.');
  if (statusCode < 500) return new Problem(statusCode, 'bad_request', sentence(message));
  return new Problem(500, 'internal', 'The gateway failed at this request; its log says why.');
}

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
const snake = (code: string): string => code.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
