// Declares the part of the WebAssembly API that the emulator and the tests use. The compiler's options include no browser
// types, and @types/node 20 has none for WebAssembly.
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
