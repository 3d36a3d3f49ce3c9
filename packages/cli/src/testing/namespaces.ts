/**
 * For tests: separate hosts, made of network namespaces of this machine that hang on one bridge. Nothing of them touches
 * the machine's own network, and everything goes with `destroy`. Needs root, `ip` and `nft`; `whyNoHosts` says what is
 * missing.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

const SUBNET = '10.77.0';
const TABLE = 'hive';

/** Why there can be no separate hosts here, in words; null when there can. */
export function whyNoHosts(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    run('ip', '-V');
    run('nft', '-v');
  } catch (error) {
    return `${(error as { path?: string }).path ?? 'a tool'} is missing: install iproute2 and nftables`;
  }
  const name = nameOf('try');
  try {
    run('ip', 'netns', 'add', name);
  } catch (error) {
    return `namespaces cannot be made: ${(error as Error).message}`;
  }
  try {
    run('ip', 'netns', 'exec', name, 'nft', 'add', 'table', 'inet', TABLE);
    return null;
  } catch (error) {
    return `nftables do not work here: ${(error as Error).message}`;
  } finally {
    run('ip', 'netns', 'del', name);
  }
}

export class TestHost {
  readonly name: string;
  readonly namespace: string;
  address: string;

  constructor(name: string, namespace: string, address: string) {
    this.name = name;
    this.namespace = namespace;
    this.address = address;
  }

  /** What stands before a command that is to run on this host. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace];
  }

  run(...command: readonly string[]): string {
    return run(...this.within, ...command);
  }

  /** Its interface goes, and comes. */
  unplug(): void {
    this.run('ip', 'link', 'set', 'eth0', 'down');
  }
  plugIn(): void {
    this.run('ip', 'link', 'set', 'eth0', 'up');
  }

  /** Gets another address in place of its own. */
  moveTo(last: number): void {
    this.run('ip', 'addr', 'del', `${this.address}/24`, 'dev', 'eth0');
    this.address = `${SUBNET}.${last}`;
    this.run('ip', 'addr', 'add', `${this.address}/24`, 'brd', '+', 'dev', 'eth0');
  }

  /** Drops what arrives and matches, such as `ip saddr 10.77.0.2` or `udp dport 8080`, until `openAll`. */
  drop(...match: readonly string[]): void {
    this.run('nft', 'add', 'table', 'inet', TABLE);
    this.run('nft', 'add', 'chain', 'inet', TABLE, 'arriving', '{ type filter hook input priority 0; }');
    this.run('nft', 'add', 'rule', 'inet', TABLE, 'arriving', ...match, 'drop');
  }
  openAll(): void {
    this.run('nft', 'delete', 'table', 'inet', TABLE);
  }

  /** Every hundredth packet that arrives, so many times, is lost. */
  lose(percent: number): void {
    this.drop('iif', 'eth0', 'numgen', 'random', 'mod', '100', '<', String(percent));
  }
  /** Every packet that leaves is late. False when this kernel cannot do that. */
  delay(millis: number): boolean {
    try {
      this.run('tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'delay', `${millis}ms`);
      return true;
    } catch {
      return false;
    }
  }
}

export class TestNetwork {
  readonly #bridge = nameOf('br');
  readonly #hosts: TestHost[] = [];
  readonly #made: string[] = [];

  /** Hosts with the addresses 10.77.0.1, 10.77.0.2 and so on. */
  constructor(...names: readonly string[]) {
    try {
      this.#make(this.#bridge);
      inside(this.#bridge, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
      inside(this.#bridge, 'ip', 'link', 'set', 'br0', 'up');
      for (const [i, name] of names.entries()) this.#addHost(name, i + 1);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  host(name: string): TestHost {
    return this.#hosts.find((host) => host.name === name)!;
  }

  /** Whatever was made; to be called when no process runs there any more. */
  destroy(): void {
    for (const namespace of this.#made.splice(0).reverse()) run('ip', 'netns', 'del', namespace);
  }

  #addHost(name: string, number: number): void {
    const namespace = nameOf(name);
    const port = `port${number}`;
    this.#make(namespace);
    run(
      'ip',
      'link',
      'add',
      'eth0',
      'netns',
      namespace,
      'type',
      'veth',
      'peer',
      'name',
      port,
      'netns',
      this.#bridge,
    );
    inside(this.#bridge, 'ip', 'link', 'set', port, 'master', 'br0');
    inside(this.#bridge, 'ip', 'link', 'set', port, 'up');
    const host = new TestHost(name, namespace, `${SUBNET}.${number}`);
    host.run('ip', 'addr', 'add', `${host.address}/24`, 'brd', '+', 'dev', 'eth0');
    host.run('ip', 'link', 'set', 'eth0', 'up');
    this.#hosts.push(host);
  }

  #make(namespace: string): void {
    run('ip', 'netns', 'add', namespace);
    this.#made.push(namespace);
    inside(namespace, 'ip', 'link', 'set', 'lo', 'up');
  }
}

const nameOf = (what: string): string => `hive-${what}-${randomBytes(4).toString('hex')}`;
const inside = (namespace: string, ...command: readonly string[]): string =>
  run('ip', 'netns', 'exec', namespace, ...command);

/** @throws Error with what the command said when it fails */
function run(...[command, ...args]: readonly string[]): string {
  try {
    return execFileSync(command!, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: string };
    if (code === 'ENOENT') throw error;
    throw new Error(`${command} ${args.join(' ')}: ${String(stderr ?? error).trim()}`, { cause: error });
  }
}
