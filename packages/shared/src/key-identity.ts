/**
 * Who a key says that its holder is: `generation.role.keyId`, the identity on the wire, and what each role may do. The
 * key itself is not here: this part is pure, and knows no secret.
 */
import type { Role } from './messages.ts';

/** What the holder of a key is known as. */
export interface KeyIdentity {
  /** Of the secret from which the key was derived, counted from 1. */
  readonly generation: number;
  readonly role: Role;
  /** Names the key for people and for revoking: 1 to 32 of a-z and 0-9. */
  readonly keyId: string;
}

/** The key of whoever reads the secret itself on this machine. It has no line, so it cannot be revoked. */
export const LOCAL_KEY_ID = 'local';

const KEY_ID = /^[0-9a-z]{1,32}$/;
const IDENTITY = /^([1-9]\d{0,8})\.(drone|client|observer|node)\.([0-9a-z]{1,32})$/;

export const isKeyId = (text: string): boolean => KEY_ID.test(text);

/** The identity as TLS carries it, in the clear. */
export function formatIdentity({ generation, role, keyId }: KeyIdentity): string {
  return `${generation}.${role}.${keyId}`;
}

/** Null when the text is no identity. */
export function parseIdentity(text: string): KeyIdentity | null {
  const match = IDENTITY.exec(text);
  if (match === null) return null;
  return { generation: Number(match[1]), role: match[2] as Role, keyId: match[3]! };
}

/** The roles that Hello may name, by the role of the key. */
const MAY_BE: Readonly<Record<Role, readonly Role[]>> = {
  drone: ['drone'],
  client: ['client', 'observer'],
  observer: ['observer'],
  node: ['drone', 'client', 'observer', 'node'],
};
const NAMES: Readonly<Record<Role, string>> = {
  drone: "a Drone's",
  client: "a client's",
  observer: "an observer's",
  node: "a node's",
};

/** Why a key does not open a session in this role; null when it does. */
export function roleProblem(key: Role, wanted: Role): string | null {
  if (MAY_BE[key].includes(wanted)) return null;
  return `The key is ${NAMES[key]}, and does not open a session as ${wanted}. Make one that does with "hive key --role ${wanted}" where the Queen runs.`;
}
