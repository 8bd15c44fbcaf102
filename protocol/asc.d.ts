/** Declares types of AssemblyScript for tsc, because asc and tsc both compile some files. */
type u32 = number;
type f32 = number;
