/** Where a forked process begins: `entry-queen` or `entry-drone`, which load sooner when they are kept compiled. */
import module from 'node:module';

// Absent in older versions of Node.
module.enableCompileCache?.();
// .ts in a checkout, .js when published: as this file itself.
const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
await import(new URL(`./${process.argv[2]}${ending}`, import.meta.url).href);
