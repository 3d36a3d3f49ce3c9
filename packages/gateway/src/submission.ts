/**
 * What was asked for in the API's words, as a job of the client library. Everything that the library checks is left to it;
 * here is only what HTTP has names of its own for.
 */
import { createHash } from 'node:crypto';
import { newJobId, type SubmitOptions } from '@hive/client';
import { isJobId } from '@hive/shared';
import { Problem } from './problem.ts';
import type { SubmissionBody, UploadOptions } from './schemas.ts';
import { labelOfNode } from './target-node.ts';

/** A job that is ready to be submitted: detached, because an HTTP request is no lasting tie. */
export type Order = SubmitOptions & { readonly id: string };

const COMMAND = 'command';
const MILLIS = 1_000;

/** @throws Problem 422 when it does not say one thing clearly */
export function orderOf(body: SubmissionBody, id: string): Order {
  const { command, kind = command === undefined ? undefined : COMMAND } = body;
  if (kind === undefined)
    throw unclear('Say what to do: {"command": "echo hello"}, or a "kind" and its inputs.');
  if (command !== undefined && kind !== COMMAND)
    throw unclear('A "command" is of the kind command; leave "kind" out.');
  const forCommand = ['env', 'cwd', 'stdin'] as const;
  const stray = kind === COMMAND ? undefined : forCommand.find((field) => body[field] !== undefined);
  if (stray !== undefined) throw unclear(`"${stray}" is for commands; the kind ${kind} takes "params".`);
  const work = workOf(body);
  const isSingle = command !== undefined && work.inputs?.length === 1 && work.inputs[0] === null;
  const options = isSingle && body.retries === undefined ? { ...body, retries: 0 } : body;
  return {
    ...simple(options, kind, id),
    ...work,
    ...paramsOf(body, kind, isSingle),
    ...labelsOf(body.labels, body.target_node, body.name ?? (isSingle ? nameOf(command!) : undefined)),
    ...(body.after === undefined ? {} : { after: body.after.map(afterOf) }),
  };
}

/** Of an upload, whose inputs are its body. @throws Problem 422 */
export function uploadOrderOf(query: UploadOptions, id: string): Omit<Order, 'inputs'> {
  const { kind } = query;
  if (kind === undefined) throw unclear('Say what to do with the lines: ?kind=hash, for instance.');
  const params = query.params === undefined ? undefined : mapOf('params', query.params);
  const labels = query.labels === undefined ? undefined : mapOf('labels', query.labels);
  return {
    ...simple(query, kind, id),
    ...paramsOf({ ...query, ...definedOf({ params }) } as Params, kind, false),
    ...labelsOf(labels as Record<string, string> | undefined, query.target_node, query.name),
  };
}

/** The job's id: what the caller chose, what follows from the idempotency key, or a new one. */
export function idOf(chosen: string | undefined, caller: string, idempotencyKey: string | undefined): string {
  if (chosen !== undefined) return chosen;
  return idempotencyKey === undefined ? newJobId() : derivedId(caller, idempotencyKey);
}

/** A UUID of version 8 (RFC 9562): the same for the same caller and key, and no other caller's. */
export function derivedId(caller: string, key: string): string {
  const digest = createHash('sha256').update(`hive/1|idempotency|${caller}|${key}`).digest().subarray(0, 16);
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  const hex = digest.toString('hex');
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  if (!isJobId(id)) throw new Error(`${id} is no job id`);
  return id;
}

const unclear = (detail: string): Problem => new Problem(422, 'unclear', detail);

type Simple = Omit<UploadOptions, 'params' | 'labels'>;

function simple(
  options: Simple,
  kind: string,
  id: string,
): { kind: string; id: string; attached: false } & Partial<SubmitOptions> {
  const { priority, weight, slots, retries, crash_limit, halt_on, timeout_seconds } = options;
  const { backoff_seconds, backoff_max_seconds, queue_timeout_seconds, deadline_seconds, retention_seconds } =
    options;
  return definedOf({
    kind,
    id,
    attached: false as const,
    priority,
    weight,
    slots,
    retries,
    crashLimit: crash_limit,
    haltOn: halt_on,
    attemptTimeout: kind === COMMAND ? undefined : millis(timeout_seconds),
    backoff: millis(backoff_seconds),
    backoffMax: millis(backoff_max_seconds),
    queueTimeout: millis(queue_timeout_seconds),
    deadline: millis(deadline_seconds),
    retention: millis(retention_seconds),
  });
}

const millis = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.max(1, Math.round(seconds * MILLIS));

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function definedOf<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** One task without an input is what a lone command is. */
function workOf({ input, inputs, range, command }: SubmissionBody): {
  inputs?: unknown[];
  range?: NonNullable<SubmitOptions['range']>;
} {
  const given = [input, inputs, range].filter((one) => one !== undefined).length;
  if (given > 1) throw unclear('Give "input", "inputs" or "range", and only one of them.');
  if (range !== undefined) return { range };
  if (inputs !== undefined) return { inputs };
  if (input !== undefined) return { inputs: [input] };
  if (command !== undefined) return { inputs: [null] };
  throw unclear(
    'Give the inputs: "input" for one task, "inputs" for several, "range" for numbers, or NDJSON as the body.',
  );
}

type Params = Pick<SubmissionBody, 'params' | 'command' | 'env' | 'cwd' | 'stdin' | 'timeout_seconds'>;
function paramsOf(body: Params, kind: string, isSingle: boolean): Pick<SubmitOptions, 'params'> {
  const { params, command, env, cwd, stdin, timeout_seconds } = body;
  if (kind !== COMMAND)
    return params === undefined ? {} : { params: params as NonNullable<SubmitOptions['params']> };
  const own = definedOf({
    line: typeof command === 'string' ? command : undefined,
    argv: typeof command === 'object' ? command : undefined,
    env,
    cwd,
    stdin,
    timeoutMillis: millis(timeout_seconds),
    // Whoever gives a single command wants to see what it printed, also when it failed.
    failedResult: isSingle ? true : undefined,
  });
  return { params: { ...own, ...params } as NonNullable<SubmitOptions['params']> };
}

const NAME_MAX = 256;
const nameOf = (command: string | readonly string[]): string =>
  (typeof command === 'string' ? command : command.join(' ')).slice(0, NAME_MAX);

function labelsOf(
  labels: Readonly<Record<string, string>> | undefined,
  node: string | undefined,
  name: string | undefined,
): Pick<SubmitOptions, 'labels' | 'name'> {
  const pinned = node === undefined ? labels : { ...labels, ...labelOfNode(node) };
  return definedOf({ labels: pinned, name: name === '' ? undefined : name }) as Pick<
    SubmitOptions,
    'labels' | 'name'
  >;
}

type AfterBody = NonNullable<SubmissionBody['after']>[number];
const afterOf = (after: AfterBody) =>
  typeof after === 'string' ? after : { id: after.job_id, on: (after.on ?? 'success') as 'success' | 'end' };

function mapOf(name: string, json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {}
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Problem(400, 'invalid_request', `"${name}" in the query takes a JSON object.`);
}
