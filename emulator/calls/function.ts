// biome-ignore lint/suspicious/noExplicitAny: the guest passes i32 as number and i64 as bigint
export type HostFunction = (...args: any[]) => number | undefined;
export type HostFunctions = Record<string, HostFunction>;
