/**
 * Where a test file runs: Jest's environment for Node, with globals that cost what they cost in a program.
 *
 * Jest makes a context whose global object is a Proxy, so that it can empty it afterwards, and every mention of `Math`, `Map`
 * or `Number` goes through it: code full of them, such as the scheduler in a simulation, takes three times as long. A context
 * may have a plain global object instead (Node 22.8), and nothing here needs it emptied: it goes with its context.
 */
import vm from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

type Parameters = ConstructorParameters<typeof TestEnvironment>;

// biome-ignore lint/style/noDefaultExport: Jest asks for one
export default class PlainGlobals extends TestEnvironment {
  constructor(...[config, context]: Parameters) {
    // Jest has no option for it, and asks for its context in the constructor.
    const { createContext } = vm;
    vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
  }
}
