import { Client } from "../http/client.ts";
import { describeRejection, type Rejection } from "../http/rejections.ts";
import type { RandomSource } from "../lib/random.ts";
import { buildChain, chainOf } from "../topology/chain.ts";
import type { Propagator } from "../trace/context.ts";
import { hashService } from "../trace/ledger.ts";
import { createExporter, type ExportTarget } from "./export.ts";
import { createHandler } from "./handler.ts";
import { type RoleFault, withLinkFault } from "./link-fault.ts";
import { LinkLog, type LinkLogOptions } from "./log.ts";
import { HeldMemory } from "./memory.ts";
import { renderMetrics } from "./metrics.ts";
import { Plans } from "./plans.ts";
import { Reporter, type ReporterLimits } from "./reporter.ts";
import { type Roles, rolesOf } from "./roles.ts";
import type { Sampler } from "./sampler.ts";
import { startServer } from "./server.ts";
import { ServerTemplates } from "./server-templates.ts";
import { readServicesFile, watchServicesFile } from "./services-file.ts";
import { LinkStats } from "./stats.ts";
import { commonTags, SCOPE_NAME, type TagSet } from "./tags.ts";
import { Visit } from "./visit.ts";
import { VISITS } from "./visit-log.ts";

/** Where a link gets the list of services and its own behavior from. */
export type RoleSource =
  /** A plain chain: a list of names in a file, as in the original. The file is watched for changes. */
  | {
      readonly kind: "file";
      readonly path: string;
      readonly slow: boolean;
      /** Length of the chain, used while the list does not contain this link; `null` if unknown. */
      readonly instances: number | null;
    }
  /** Known from the start; links of one process share them. */
  | { readonly kind: "roles"; readonly roles: Roles };

export interface LinkOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly portFlag?: string;
  readonly source: RoleSource;
  /** Base URL of a service by name, without trailing slash; `undefined`: `http://NAME`. */
  readonly resolve: (service: string) => string | undefined;
  /** Headers of calls to a service. Secret. @default none */
  readonly headersOf?: (service: string) => Readonly<Record<string, string>> | undefined;
  readonly target: ExportTarget;
  readonly propagators: readonly Propagator[];
  /** False: the link records no spans, and passes trace context on unchanged. @default true */
  readonly isTracing?: boolean;
  readonly sampler: Sampler;
  readonly tagSet: TagSet;
  /** Whether `X-Current-Service` determines the link's role. */
  readonly trustPosition: boolean;
  /** Whether answers carry a ledger of their spans. @default true */
  readonly hasLedger?: boolean;
  readonly log: Omit<LinkLogOptions, "service">;
  readonly reporter: ReporterLimits;
  /** Attributes of the OTLP resource in addition to `service.name`. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly version: string;
  /** Generators for everything random, by service. */
  readonly randomOf: RandomSource;
}

export interface Link {
  readonly name: string;
  /** Without trailing slash. */
  readonly url: string;
  readonly stats: LinkStats;
  readonly reporter: Reporter;
  /** From the next request on, adds a fault to the topology's behavior; all zeros remove it. */
  applyFault(fault: RoleFault): void;
  /**
   * Shuts down gracefully: readiness fails immediately, requests are served for `drainMs` and until those in flight are
   * answered, and spans are flushed, all within `graceMs`. Later calls wait for the first.
   */
  stop(options: { readonly drainMs: number; readonly graceMs: number }): Promise<void>;
}

/** Share of the grace period reserved for sending spans. */
const FLUSH_SHARE = 0.3;
const IN_FLIGHT_CHECK_MS = 5;

/**
 * Starts one link; it is ready when this returns, unless its topology says otherwise.
 * @throws {UserError} `port-busy`, `services-file-invalid`, `limit-reached`
 */
export function startLink(options: LinkOptions): Link {
  const { name, randomOf } = options;
  const startedAt = Date.now();
  const log = new LinkLog({ ...options.log, service: name });
  const stats = new LinkStats();
  const startedAtMs = performance.now();
  const loaded = loadRoles(options.source, name, randomOf);
  let roles = loaded;
  // Prepared now, not with the first request.
  const own = roles.findOwn(name)?.behavior;
  const memory = new HeldMemory(own?.memory.heldBytes ?? 0);
  const abandoned = new Set<Visit>();
  const client = new Client();
  const server = startServer({
    ...options,
    onRejection: log.writes("debug") ? (rejection) => logRejection(log, rejection) : undefined,
  });
  const { port } = server;
  const exporter = createExporter(
    options.target,
    { serviceName: name, port },
    {
      attributes: { ...options.resourceAttributes, "service.name": name },
      scope: { name: SCOPE_NAME, version: options.version },
    },
  );
  const { format } = exporter;
  const reporter = new Reporter({ ...options.reporter, exporter, random: Math.random, log });
  const spanParts = {
    format,
    tagSource: { tagSet: options.tagSet, port },
    commonTags: commonTags(options.tagSet, name, options.version),
  };
  server.serve(
    createHandler({
      roles: () => roles,
      plans: new Plans({
        ...spanParts,
        name,
        roles: () => roles,
        trustPosition: options.trustPosition,
        client,
        startedAtMs,
        resolve: (service) => options.resolve(service) ?? `http://${service}`,
        headersOf: (service) => options.headersOf?.(service) ?? {},
      }),
      propagators: options.propagators,
      sampler: options.sampler,
      serviceHash: hashService(name),
      format,
      serverTemplates: new ServerTemplates(spanParts),
      reporter,
      hasLedger: options.hasLedger ?? true,
      isTracing: options.isTracing ?? true,
      log,
      stats,
      abandoned,
      linkNumber: VISITS.addLink(),
      startedAt,
      inFlight: () => [...openVisits(), ...abandoned],
      readyAtMs: startedAtMs + (own?.startupMs ?? 0),
      renderMetrics: () =>
        renderMetrics({ service: name, version: options.version, startedAt }, stats, reporter) +
        server.rejections.renderMetric(),
    }),
  );
  log.info(`service_name ${name}`);
  if (log.writes("info")) log.info(`new services: ${formatNames(roles.names)}`);
  const watched =
    options.source.kind === "file"
      ? watchRoles(options.source, roles.names, randomOf, log, (changed) => {
          // deploy shortens a chain before it removes the rest: a link that is on its way out still gets requests.
          if (roles.findOwn(name) !== undefined && changed.findOwn(name) === undefined) return false;
          roles = changed;
          return true;
        })
      : null;

  function openVisits(): Visit[] {
    return server
      .openExchanges()
      .flatMap(({ attachment }) => (attachment instanceof Visit ? attachment : []));
  }

  async function shutDown(drainMs: number, graceMs: number): Promise<void> {
    const startMs = performance.now();
    const leftMs = (share: number) => Math.max(0, startMs + graceMs * share - performance.now());
    stats.isDraining = true;
    watched?.close();
    await Bun.sleep(Math.min(drainMs, leftMs(1 - FLUSH_SHARE)));
    await settleWithin(server.stopAccepting(), leftMs(1 - FLUSH_SHARE));
    // Requests whose callers have gone have no connection any more, but spans to come.
    while (stats.inFlight > 0 && leftMs(1 - FLUSH_SHARE) > 0) await Bun.sleep(IN_FLIGHT_CHECK_MS);
    // What is not done by now ends here, with its spans: first calls, which answer their requests, then what waits.
    client.close();
    for (const visit of openVisits()) visit.cancel();
    for (const visit of abandoned) visit.cancel();
    await reporter.close(leftMs(1));
    await server.close();
    memory.release();
    log.close();
  }
  let stopped: Promise<void> | undefined;

  return {
    name,
    url: server.url,
    stats,
    reporter,
    applyFault(fault) {
      const isNone = fault.latencyMs === 0 && fault.errorRate === 0;
      roles = isNone ? loaded : withLinkFault(loaded, name, fault);
    },
    stop({ drainMs, graceMs }) {
      stopped ??= shutDown(drainMs, graceMs);
      return stopped;
    },
  };
}

/** Limits the lines of a flood of malformed requests in the same way as those of good ones. */
function logRejection(log: LinkLog, rejection: Rejection): void {
  if (log.admitRequest()) log.debug(describeRejection(rejection));
}

/** Resolves with the promise, but after at most `limitMs`. */
async function settleWithin(promise: Promise<void>, limitMs: number): Promise<void> {
  const { promise: limit, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

function loadRoles(source: RoleSource, name: string, randomOf: RandomSource): Roles {
  if (source.kind === "roles") return source.roles;
  const { path, slow, instances } = source;
  const listed = rolesOf(chainOf(readServicesFile(path), { slow }), randomOf);
  // deploy starts the additional links of a longer chain before it changes the list.
  const isListed = instances === null || listed.findOwn(name) !== undefined;
  return isListed ? listed : rolesOf(buildChain(instances, { slow }), randomOf);
}

function watchRoles(
  source: Extract<RoleSource, { kind: "file" }>,
  current: readonly string[],
  randomOf: RandomSource,
  log: LinkLog,
  onChange: (roles: Roles) => boolean,
): { close(): void } {
  return watchServicesFile(
    source.path,
    current,
    (names) => {
      const isTaken = onChange(rolesOf(chainOf(names, { slow: source.slow }), randomOf));
      const note = isTaken ? "" : " (without this link, which keeps its previous list)";
      log.info(`new services: ${formatNames(names)}${note}`);
    },
    (message) => log.error(message),
  );
}

/** In Python's list syntax, which the original logs. */
function formatNames(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(", ")}]`;
}
