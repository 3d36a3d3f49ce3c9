/** A plain HTTP client of the nodes' APIs: one request, one answer, nothing tried again by itself. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A node that is frozen does not answer; whoever asks gives up then, and asks again. */
const ANSWER_MILLIS = 5_000;

export class Api {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  /** @throws Error when there is no whole answer in time */
  ask(
    url: string,
    { method = 'GET', body, headers = {} }: { method?: string; body?: string; headers?: object } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        { method, agent: this.#agent, headers: { ...headers }, signal: AbortSignal.timeout(ANSWER_MILLIS) },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.once('error', reject);
          answer.once('close', () => reject(new Error('the answer broke off')));
          answer.once('end', () => {
            if (answer.complete)
              resolve({ status: answer.statusCode ?? 0, text: String(Buffer.concat(chunks)) });
          });
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  }

  async json<T>(url: string): Promise<T> {
    const { status, text } = await this.ask(url);
    if (status !== 200) throw new Error(`GET ${url} gave ${status}: ${text.slice(0, 300)}`);
    return JSON.parse(text) as T;
  }

  close(): void {
    this.#agent.destroy();
  }
}
