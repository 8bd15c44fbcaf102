// The kinds of objects that tests keep in an API server, the paths of their resources, and the responses of discovery.

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    resourceVersion?: string;
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

const PLURALS: Readonly<Record<string, string>> = {
  Pod: "pods",
  ConfigMap: "configmaps",
  ServiceAccount: "serviceaccounts",
  Role: "roles",
  RoleBinding: "rolebindings",
  EndpointSlice: "endpointslices",
  InferencePool: "inferencepools",
  InferenceObjective: "inferenceobjectives",
  InferenceModel: "inferencemodels",
  InferenceModelRewrite: "inferencemodelrewrites",
};

/** `apis/GROUP/VERSION/PLURAL` or `api/v1/PLURAL`. */
export function resourceOf({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): string {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new Error(`kind: got ${kind}, expected one of ${Object.keys(PLURALS).join(", ")}`);
  return `${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}/${plural}`;
}

/** The inverse of resourceOf. */
export function kindOf(resource: string): { kind: string; apiVersion: string } {
  const [, apiVersion = "", plural = ""] = /^apis?\/(.+)\/([a-z]+)$/.exec(resource) ?? [];
  const kind = Object.keys(PLURALS).find((one) => PLURALS[one] === plural);
  if (kind === undefined)
    throw new Error(`resource: got ${resource}, expected a plural of ${Object.values(PLURALS).join(", ")}`);
  return { kind, apiVersion };
}

/** The response of discovery at a path; undefined if discovery does not have the path. */
export function discoveryOf(path: string, installed: ReadonlySet<string>): object | undefined {
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
  const groups = new Map<string, Set<string>>();
  for (const resource of installed) {
    const [, group, version] = /^apis\/([^/]+)\/([^/]+)\//.exec(resource) ?? [];
    if (group !== undefined && version !== undefined) groups.set(group, (groups.get(group) ?? new Set()).add(version));
  }
  if (path === "/apis") {
    const all = [...groups].map(([group, versions]) => groupOf(group, versions));
    return { kind: "APIGroupList", apiVersion: "v1", groups: all };
  }
  const [, group = ""] = /^\/apis\/([^/]+)$/.exec(path) ?? [];
  const versions = groups.get(group);
  if (versions !== undefined) return { kind: "APIGroup", apiVersion: "v1", ...groupOf(group, versions) };
  const prefix = `${path.slice(1)}/`;
  const served = [...installed].filter(
    (resource) => /^[a-z]+$/.test(resource.slice(prefix.length)) && resource.startsWith(prefix),
  );
  if (served.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: kindOf(served[0] as string).apiVersion,
    resources: served.map((resource) => {
      const { kind } = kindOf(resource);
      const name = resource.slice(prefix.length);
      return { name, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: ["get", "list", "watch"] };
    }),
  };
}

function groupOf(name: string, versions: ReadonlySet<string>): object {
  const all = [...versions].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}
