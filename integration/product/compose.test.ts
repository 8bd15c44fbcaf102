// envoy/local/compose: docker compose accepts it if it is installed, and its services run as processes of this machine, with
// addresses in place of the names of its network.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { access, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { ROOT, type Running, STARTED_MS, start } from "../../testkit/command.ts";
import { SECRET } from "../../testkit/envoy/filter-envoy.ts";
import { chooseRuntime } from "../../testkit/envoy/runtime.ts";
import { chat, post } from "../../testkit/http.ts";
import { freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";

const COMPOSE = join(ROOT, "envoy/local/compose");

interface Service {
  command: string[];
  volumes?: string[];
  ports?: string[];
  build?: { context: string; dockerfile: string };
}

const compose = parse(await readFile(join(COMPOSE, "compose.yaml"), "utf8"), { merge: true }) as {
  services: Record<string, Service>;
};
const { services } = compose;
const composeCommand = [["docker", "compose"], ["docker-compose"]].find(
  ([command = "", ...args]) => spawnSync(command, [...args, "version"], { stdio: "ignore" }).status === 0,
);

describe("the compose file", () => {
  test("docker compose accepts it", { skip: composeCommand ? false : "docker compose is not installed" }, () => {
    const [command = "", ...args] = composeCommand ?? [];
    const env = { ...process.env, [SECRET_ENV]: SECRET };
    const run = spawnSync(command, [...args, "-f", join(COMPOSE, "compose.yaml"), "config", "-q"], {
      env,
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stderr);
  });

  test("mounts existing files, and opens no port to other machines", async () => {
    for (const [name, { volumes = [], ports = [], build }] of Object.entries(services)) {
      for (const volume of volumes) await access(join(COMPOSE, volume.split(":")[0] as string));
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name);
      if (build) await access(join(COMPOSE, build.context, build.dockerfile));
    }
  });

  test("every file of the folder begins with a comment about its purpose", async () => {
    for (const name of ["compose.yaml", "envoy.yaml", "sidecar.yaml", "prometheus.yml", "grafana/datasource.yaml"])
      assert.match(await readFile(join(COMPOSE, name), "utf8"), /^# Shows \S/, name);
  });

  test("Prometheus accepts its configuration", {
    skip: spawnSync("promtool", ["--version"]).status === 0 ? false : "promtool is not installed",
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-compose-"));
    try {
      const text = await readFile(join(COMPOSE, "prometheus.yml"), "utf8");
      await writeFile(join(folder, "prometheus.yml"), text.replaceAll("/etc/prometheus", folder));
      await copyFile(join(ROOT, "envoy/dashboards/alerts.yaml"), join(folder, "alerts.yaml"));
      const run = spawnSync("promtool", ["check", "config", join(folder, "prometheus.yml")], { encoding: "utf8" });
      assert.equal(run.status, 0, run.stdout + run.stderr);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("its services, run as processes, answer a request by a picked pod, and every scraped address exposes metrics", async () => {
    const running: Running[] = [];
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-compose-"));
    try {
      const names = ["pod-1", "pod-2", "pod-3", "sidecar", "envoy"];
      const [pod1, pod2, pod3, sidecar, llm, admin] = (await freePorts(6)) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const addresses: Record<string, number> = {
        "pod-1:8000": pod1,
        "pod-2:8000": pod2,
        "pod-3:8000": pod3,
        "sidecar:9400": sidecar,
        "envoy:10000": llm,
        "envoy:9901": admin,
      };
      for (const name of names.slice(0, 3)) {
        const command = (services[name] as Service).command.join(" ");
        running.push(start(command.replace("0.0.0.0", "127.0.0.1").replace("8000", String(addresses[`${name}:8000`]))));
      }
      let config = await readFile(join(COMPOSE, "sidecar.yaml"), "utf8");
      config = config.replace(
        /name: (pod-\d), port: 8000/g,
        (_all, name) => `name: localhost, port: ${addresses[`${name}:8000`]}`,
      );
      config = config.replace("envoy:10000", `127.0.0.1:${llm}`).replace("0.0.0.0:9400", `127.0.0.1:${sidecar}`);
      await writeFile(join(folder, "sidecar.yaml"), config);
      running.push(start(`node --import tsx sidecar/main.ts --config ${folder}/sidecar.yaml`));
      let envoyYaml = await readFile(join(COMPOSE, "envoy.yaml"), "utf8");
      envoyYaml = envoyYaml.replace(
        /address: (pod-\d)\n( *)port_value: 8000/g,
        (_all, name, space) => `address: localhost\n${space}port_value: ${addresses[`${name}:8000`]}`,
      );
      envoyYaml = envoyYaml
        .replaceAll("0.0.0.0", "127.0.0.1")
        .replace("port_value: 10000", `port_value: ${llm}`)
        .replace("port_value: 9901", `port_value: ${admin}`);
      envoyYaml = envoyYaml.replace("/etc/pilotfish/pilotfish.wasm", join(ROOT, "build/pilotfish.wasm"));
      await writeFile(join(folder, "envoy.yaml"), envoyYaml);
      const found = await chooseRuntime();
      if (found.kind !== "binary") {
        running.push(
          start(
            `docker run --rm --network host -e ${SECRET_ENV} -v ${folder}:${folder}:ro -v ${ROOT}:${ROOT}:ro ${found.image} -c ${folder}/envoy.yaml --disable-hot-restart`,
          ),
        );
      } else running.push(start(`${found.path} -c ${folder}/envoy.yaml --disable-hot-restart`));
      const said = () => running.map((one) => one.text().slice(-800)).join("\n");
      await until(
        "a picked answer",
        async () => {
          const answer = await post(`http://127.0.0.1:${llm}`, chat("qwen-2.5-3b")).catch(() => undefined);
          const stats = await fetch(`http://127.0.0.1:${admin}/stats?filter=pilotfish.picked`).then(
            (it) => it.text(),
            () => "",
          );
          return answer?.status === 200 && answer.pod === "pod-3" && /picked: [1-9]/.test(stats);
        },
        STARTED_MS,
      ).catch((error: Error) => assert.fail(`${error.message}\n${said()}`));
      const prometheus = parse(await readFile(join(COMPOSE, "prometheus.yml"), "utf8")) as {
        scrape_configs: { metrics_path?: string; static_configs: { targets: string[] }[] }[];
      };
      for (const { metrics_path = "/metrics", static_configs } of prometheus.scrape_configs)
        for (const target of static_configs.flatMap((one) => one.targets)) {
          const text = await (await fetch(`http://127.0.0.1:${addresses[target]}${metrics_path}`)).text();
          assert.match(text, /^# TYPE /m, target);
        }
    } finally {
      for (const one of running) await one.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
