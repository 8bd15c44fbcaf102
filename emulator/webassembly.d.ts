// The part of the WebAssembly API that the small host here and the tests' emulator use: the compiler is told of no browser, and @types/node of
// version 20 leaves it to the browser's types.
declare namespace WebAssembly {
  type ImportValue = (...args: never[]) => unknown;
  type Imports = Record<string, Record<string, ImportValue>>;
  interface Entry {
    name: string;
    kind: "function" | "memory" | "table" | "global";
  }
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): (Entry & { module: string })[];
    static exports(module: Module): Entry[];
  }
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, unknown>;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
}
