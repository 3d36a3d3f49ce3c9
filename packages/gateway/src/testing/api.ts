/** For tests: a Hive in this process with a gateway before it, and requests as any client sends them. */
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { type Socket, connect as tcpConnect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Local, startLocal } from '@hive/local';
import { type Gateway, type GatewayOptions, startGateway } from '../gateway.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class Api implements AsyncDisposable {
  readonly local: Local;
  readonly gateway: Gateway;

  private constructor(local: Local, gateway: Gateway) {
    this.local = local;
    this.gateway = gateway;
  }

  /** @param slots of its one Drone; 0: there is none */
  static async start(options: Partial<GatewayOptions> = {}, slots = 2): Promise<Api> {
    const local = await startLocal(slots === 0 ? { drones: 0 } : { drones: 1, slots });
    try {
      return new Api(local, await startGateway({ queen: queenOf(local), port: 0, ...options }));
    } catch (error) {
      await local.stop();
      throw error;
    }
  }

  get port(): number {
    return this.gateway.port;
  }
  /** For `connect`. */
  get queen() {
    return queenOf(this.local);
  }

  /** @param path below /api/v1, or from the root when it begins with a slash */
  ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return send(
      { port: this.port, method, path: pathOf(path), headers: { ...lengthOf(text), ...headers } },
      text as string | undefined,
    );
  }
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.ask('GET', path, undefined, headers);
  }
  /** The JSON of an answer with this status. @throws Error that shows another one */
  async json<T = Record<string, unknown>>(
    status: number,
    method: string,
    path: string,
    body?: unknown,
    headers = {},
  ): Promise<T> {
    const answer = await this.ask(method, path, body, headers);
    if (answer.status !== status) throw new Error(`${method} ${path} gave ${answer.status}: ${answer.text}`);
    return JSON.parse(answer.text) as T;
  }

  /** Asks until the job holds what is wanted. */
  async until<T extends Record<string, unknown>>(path: string, holds: (body: T) => boolean): Promise<T> {
    for (;;) {
      const body = await this.json<T>(200, 'GET', path);
      if (holds(body)) return body;
      await sleep(LOOK_MILLIS);
    }
  }
  /** The answer once this cannot be served any more. */
  async until503(path: string): Promise<Answer> {
    for (;;) {
      const answer = await this.get(path);
      if (answer.status === 503) return answer;
      await sleep(LOOK_MILLIS);
    }
  }
  /** The job once it has ended. */
  ended(id: string): Promise<Record<string, unknown>> {
    const open = ['JOB_PENDING', 'JOB_RUNNING'];
    return this.until(`jobs/${id}`, ({ status }) => !open.includes(String(status)));
  }

  /** A connection on which a test says what it likes. */
  async socket(): Promise<Socket> {
    const socket = tcpConnect(this.port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    await this.local.stop();
  }
}

const queenOf = ({ address, key }: Local) => ({ queen: address, key: key!, discoveryPort: 0 }) as const;
const pathOf = (path: string): string => (path.startsWith('/') ? path : `/api/v1/${path}`);

/** Node says no length of the body of a DELETE by itself. */
const lengthOf = (body: unknown): Record<string, string> =>
  typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {};

/** One request on a connection of its own. */
export function send(options: RequestOptions, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(parts).toString(),
        }),
      );
    });
    request.once('error', reject);
    request.end(body);
  });
}
