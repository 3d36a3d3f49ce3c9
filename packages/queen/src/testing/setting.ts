/** A Queen with one client and one Drone, for tests that stop her and start her again on the same folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Queen, startQueen } from '../queen.ts';
import { TEST_KEYS } from './keys.ts';
import { TestPeer } from './peer.ts';

export class Setting {
  readonly #store: 'memory' | 'sqlite';
  readonly #data = mkdtempSync(join(tmpdir(), 'hive-queen-'));
  queen!: Queen;
  client!: TestPeer;
  worker!: TestPeer;

  /** The database. */
  get path(): string {
    return join(this.#data, 'hive.db');
  }

  constructor(store: 'memory' | 'sqlite') {
    this.#store = store;
  }

  async start(): Promise<void> {
    this.queen = await startQueen({ port: 0, keys: TEST_KEYS, store: this.#store, data: this.#data });
    this.client = await TestPeer.client(this.queen.address);
    this.worker = await TestPeer.drone(this.queen.address);
  }

  async stop(): Promise<void> {
    this.client.end();
    // A Drone that says goodbye is not waited for when the Queen comes back.
    this.worker.send({ type: 'Goodbye', message: 'the test is over' });
    await this.worker.closed();
    await this.queen.stop();
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#data, { recursive: true, force: true });
  }
}
