/**
 * Every error that leaves the gateway is a problem of RFC 9457: one media type, a code for programs, a sentence for people.
 * What the Queen or the client library refused keeps its own code and sentence; only the status is chosen here.
 */
import { UsageError } from '@hive/shared';

/** Of ids in JSON and in paths. */
export const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** One field that is wrong, by its JSON pointer in what was sent. */
export interface FieldProblem {
  readonly pointer: string;
  readonly detail: string;
}

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
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Not possible as asked',
  429: 'Too many requests',
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

/** An RFC 6750 challenge belongs to every 401. */
export const CHALLENGE = { 'www-authenticate': 'Bearer realm="hive"' };

/** Whatever was thrown, as a problem. What nobody foresaw says nothing of the inside. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UsageError) {
    const status = STATUS[error.code] ?? 422;
    return new Problem(status, snake(error.code), error.message, { headers: headersFor(status) });
  }
  return ofFastify(error as FastifyLike);
}

function headersFor(status: number): Record<string, string> {
  if (status === 401) return CHALLENGE;
  return status === 503 || status === 429 ? { 'retry-after': '1' } : {};
}

/** As Fastify throws them, with a code of its own. */
interface FastifyLike {
  readonly code?: string;
  readonly statusCode?: number;
  readonly message: string;
  readonly validation?: readonly {
    readonly keyword?: string;
    readonly instancePath: string;
    readonly message?: string;
    readonly params?: Readonly<Record<string, unknown>>;
  }[];
  readonly validationContext?: string;
}

function ofFastify({ code, statusCode = 500, message, validation, validationContext }: FastifyLike): Problem {
  if (validation !== undefined) {
    const errors = fieldsOf(validation);
    const [{ pointer, detail }] = errors as [FieldProblem];
    const where = `${validationContext ?? 'request'}${pointer}`;
    return new Problem(400, 'invalid_request', `${where} ${detail}.`, { errors });
  }
  if (statusCode === 413)
    return new Problem(
      413,
      'too_large',
      'The body is too large. Send many inputs as NDJSON: such a body may have any length.',
    );
  if (statusCode === 415)
    return new Problem(415, 'unsupported_media_type', 'Send JSON, or inputs as application/x-ndjson.');
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY' || (code === undefined && statusCode === 400))
    return new Problem(400, 'bad_json', 'The body is not JSON that can be taken.');
  if (statusCode < 500) return new Problem(statusCode, 'bad_request', sentence(message));
  return new Problem(500, 'internal', 'The gateway failed at this request; its log says why.');
}

type Failing = NonNullable<FastifyLike['validation']>[number];

/** What may be one of several things, and is none of them, is one problem that names them all. */
function fieldsOf(validation: readonly Failing[]): FieldProblem[] {
  const unions = new Set(validation.filter(isUnion).map(({ instancePath }) => instancePath));
  const fields: { pointer: string; detail: string }[] = [];
  for (const failing of validation) {
    if (isUnion(failing)) continue;
    const { instancePath: pointer } = failing;
    const before = unions.has(pointer) ? fields.find((field) => field.pointer === pointer) : undefined;
    if (before === undefined) fields.push({ pointer, detail: detailOf(failing) });
    else before.detail += `, or ${detailOf(failing)}`;
  }
  return fields;
}

const isUnion = ({ keyword }: Failing): boolean => keyword === 'anyOf';

function detailOf({ message = 'is wrong', params = {} }: Failing): string {
  const name = params['additionalProperty'] ?? params['missingProperty'];
  const text = params['pattern'] === UUID ? 'must be a UUID, in small letters' : message;
  return name === undefined ? text : `${text} (${name})`;
}

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
const snake = (code: string): string => code.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
