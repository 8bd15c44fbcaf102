/** AssemblyScript's 32-bit unsigned integer, for files that asc and tsc both compile. */
type u32 = number;
