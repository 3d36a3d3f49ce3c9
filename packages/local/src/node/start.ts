/** The way to a node from outside: what it consists of is loaded when one is started, since few who import this package do. */
import type { Node, NodeOptions } from './node.ts';

/** Resolves when its Queen listens. @throws UsageError when she cannot */
export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const node = await import('./node.ts');
  return await node.startNode(options);
}
