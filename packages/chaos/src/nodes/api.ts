/** A plain HTTP client of the nodes' APIs: one request, one answer, nothing tried again by itself. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A node that is frozen does not answer; whoever asks gives up then, and asks again. */
const ANSWER_MILLIS = 5_000;
/** Of whoever asks once, when nobody suffers any more. */
export const PATIENT_MILLIS = 60_000;

interface Question {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: object;
  /** Within which the whole answer is to come; default 5 s. */
  readonly answerMillis?: number;
}

export class Api {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  /** @throws Error when there is no whole answer in time */
  ask(
    url: string,
    { method = 'GET', body, headers = {}, answerMillis = ANSWER_MILLIS }: Question = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        { method, agent: this.#agent, headers: { ...headers }, signal: AbortSignal.timeout(answerMillis) },
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

  async json<T>(url: string, answerMillis = ANSWER_MILLIS): Promise<T> {
    const { status, text } = await this.ask(url, { answerMillis });
    if (status !== 200) throw new Error(`GET ${url} gave ${status}: ${text.slice(0, 300)}`);
    return JSON.parse(text) as T;
  }

  close(): void {
    this.#agent.destroy();
  }
}
