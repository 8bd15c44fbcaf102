/** Types of AssemblyScript, for files that asc and tsc both compile. */
type u32 = number;
type f32 = number;
