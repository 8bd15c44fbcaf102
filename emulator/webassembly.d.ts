// The part of the WebAssembly API that the emulator uses. The compiler knows no browser, and @types/node of version 20 leaves these
// types to the browser's.
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
