/**
 * The HTTP server: what holds for all routes. Who asks is decided first, before a body is read; what comes in is checked
 * against the routes' schemas; every error leaves as a problem; nothing is cached, and no page of another origin may read.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Ajv, type ValidateFunction } from 'ajv';
import Fastify, { type FastifyError, type FastifyInstance, type RouteOptions } from 'fastify';
import { setParsers, settleBody } from './bodies.ts';
import { LOG } from './log.ts';
import { describedOf } from './openapi.ts';
import { PROBLEM_TYPE, Problem, problemOf } from './problem.ts';
import { type Context, PREFIX, type Reply, type Request } from './routes/context.ts';
import { addDroneRoutes } from './routes/drones.ts';
import { addEventRoutes } from './routes/events.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addLogRoutes } from './routes/logs.ts';
import { addOverviewRoutes } from './routes/overview.ts';
import { addResultRoutes } from './routes/results.ts';
import { addSubmitRoutes } from './routes/submit.ts';
import { Streams } from './streams.ts';

export interface AppOptions extends Omit<Context, 'streams'> {
  readonly streamsMax: number;
  readonly bodyBytesMax: number;
}

const CONNECTIONS_MAX = 4_096;
const HEADERS_MILLIS = 10_000;
const KEEP_ALIVE_MILLIS = 72_000;

export function buildApp({ streamsMax, bodyBytesMax, ...rest }: AppOptions) {
  const app = Fastify({
    bodyLimit: bodyBytesMax,
    // An upload may take as long as it takes; the head of a request may not.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MILLIS,
    http: { headersTimeout: HEADERS_MILLIS },
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    clientErrorHandler: refuseNonsense,
    frameworkErrors: (error, request, reply) =>
      void sendProblem(reply as never, request.url, frameworkProblem(error)),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.on('checkExpectation', refuseExpectation);
  const { metrics } = rest;
  const streams = new Streams(streamsMax, (open) => metrics.streamsOpen(open));
  const context: Context = { ...rest, streams };
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  app.addHook('preClose', (done) => {
    streams.endAll();
    done();
  });
  setParsers(app);
  setValidators(app);
  setHooks(app, context, routes);
  addOverviewRoutes(app, context, routes);
  addDroneRoutes(app, context);
  addSubmitRoutes(app, context);
  addJobRoutes(app, context);
  addResultRoutes(app, context);
  addLogRoutes(app, context);
  addEventRoutes(app, context);
  const connections = new Connections(app);
  return Object.assign(app, { endConnections: () => connections.end() });
}

/** Of all addresses that are listened on; Node knows them by server only. */
class Connections {
  readonly #open = new Set<Socket>();

  constructor(app: FastifyInstance) {
    app.addHook('onRequest', async ({ raw: { socket } }) => {
      if (this.#open.has(socket)) return;
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  end(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** `verbose`: a mistake comes with what was found, for the sentence about it. */
const RULES = { allErrors: true, useDefaults: true, strict: false, validateFormats: false, verbose: true };

/** Bodies are taken at their word; what stands in a URL is text, whatever it means. */
function setValidators(app: FastifyInstance): void {
  const strict = new Ajv({ ...RULES });
  const loose = new Ajv({ ...RULES, coerceTypes: true });
  app.setValidatorCompiler(({ schema, httpPart }) =>
    checkOf(() => (httpPart === 'body' ? strict : loose).compile(schema as object)),
  );
}

/** Compiled when it is first asked, as few are: compiling all of them takes longer than everything else in starting. */
function checkOf(compile: () => ValidateFunction) {
  let compiled: ValidateFunction | null = null;
  const check = Object.assign(
    (value: unknown): boolean => {
      compiled ??= compile();
      const isValid = compiled(value);
      check.errors = compiled.errors ?? null;
      return isValid;
    },
    { errors: null as NonNullable<ValidateFunction['errors']> | null },
  );
  return check;
}

function setHooks(app: FastifyInstance, context: Context, routes: readonly RouteOptions[]): void {
  const { callers, metrics } = context;
  app.decorateRequest('caller', null as never);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    const caller = await callers.callerOf(request.raw);
    request.caller = caller;
    caller.session.active++;
    if (request.method !== 'GET' && request.method !== 'HEAD' && caller.isObserver)
      throw new Problem(
        403,
        'not_permitted',
        'A key of the role observer may look, and change nothing. Use one of the role client.',
      );
    settleBody(request);
  });
  app.addHook('onResponse', async (request, reply) => {
    if (request.caller !== null) request.caller.session.active--;
    const { url: route = 'none' } = request.routeOptions;
    const isStream = describedOf(request.routeOptions as never)?.streams !== undefined;
    metrics.answered(request.method, route, reply.statusCode, isStream ? null : reply.elapsedTime / 1000);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 500) LOG('%s %s failed: %s', request.method, request.url, error.stack);
    // The Queen has refused the key that this caller came in with.
    if (problem.status === 401 && request.caller !== null) callers.refused(request.caller);
    return sendProblem(reply, request.url, problem);
  });
  app.setNotFoundHandler((request) => {
    throw nothingThere(request, routes);
  });
}

function sendProblem(reply: Reply, url: string, problem: Problem): Reply {
  const body = JSON.stringify(problem.body(url.split('?')[0]!));
  return reply
    .code(problem.status)
    .headers({ ...problem.headers, 'content-type': PROBLEM_TYPE })
    .serializer(String)
    .send(body);
}

/** Another method may be what was meant. */
function nothingThere({ url, method }: Request, routes: readonly RouteOptions[]): Problem {
  const path = url
    .split('?')[0]!
    .replace(/\/+/g, '/')
    .replace(/(.)\/$/, '$1');
  const methods = routes
    .filter((route) => patternOf(route.url).test(path))
    .map((route) => String(route.method));
  if (methods.length === 0)
    return new Problem(
      404,
      'not_found',
      `There is nothing at ${path}. /openapi.json lists all that there is; paths begin with ${PREFIX}.`,
    );
  const allow = [...new Set(methods)].sort().join(', ');
  return new Problem(405, 'method_not_allowed', `${path} takes ${allow}, not ${method}.`, {
    headers: { allow },
  });
}
const patternOf = (url: string): RegExp =>
  new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);

/** What is wrong with the path itself. */
function frameworkProblem(error: FastifyError): Problem {
  if (error.code !== 'FST_ERR_BAD_URL') return problemOf(error);
  return new Problem(
    400,
    'bad_request',
    'The path has a % that begins no escape; write %25 for the sign itself.',
  );
}

/** Node would answer without a word. */
function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const text = `Expect: ${request.headers.expect} is not known here; leave it out, or send 100-continue.`;
  const problem = new Problem(417, 'bad_request', text);
  response
    .writeHead(problem.status, { 'content-type': PROBLEM_TYPE, connection: 'close' })
    .end(JSON.stringify(problem.body((request.url ?? '').split('?')[0]!)));
}

/** What is not even HTTP. */
function refuseNonsense(this: unknown, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const problem = nonsense(error.code);
  const body = JSON.stringify(problem.body(''));
  const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  if (socket.writable) socket.end(head + body);
}

function nonsense(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Problem(
      431,
      'too_large',
      'The head of the request is over 16 KiB: send shorter headers, and a shorter path.',
    );
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem(
      408,
      'too_slow',
      'The head of the request did not come within 10 seconds. Send it again.',
    );
  if (code === 'HPE_INVALID_EOF_STATE')
    return new Problem(
      400,
      'bad_request',
      'The connection was closed before the request had ended. Send it again, whole.',
    );
  return new Problem(
    400,
    'bad_request',
    'This is not a request that HTTP/1.1 knows: look at its first line, and at the ends of its lines.',
  );
}
