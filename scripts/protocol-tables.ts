/** `node scripts/protocol-tables.ts`: writes the tables and examples of docs/PROTOCOL.md anew from the code. */
import { writeFileSync } from 'node:fs';
import { PROTOCOL, readProtocol, updated } from './protocol-doc.ts';

const before = readProtocol();
const after = updated(before);
writeFileSync(PROTOCOL, after);
console.log(before === after ? 'PROTOCOL.md says what the code says' : 'PROTOCOL.md was updated');
