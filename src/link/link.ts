import { Client } from "../http/client.ts";
import { describeRejection, type Rejection } from "../http/rejections.ts";
import type { RandomSource } from "../lib/random.ts";
import type { Propagator } from "../trace/context.ts";
import { hashService } from "../trace/ledger.ts";
import { createExporter, type Exporter, type ExportTarget } from "./export.ts";
import { createHandler } from "./handler.ts";
import { type RoleFault, withLinkFault } from "./link-fault.ts";
import { LinkLog, type LinkLogOptions } from "./log.ts";
import { HeldMemory } from "./memory.ts";
import { renderMetrics } from "./metrics.ts";
import { Plans } from "./plans.ts";
import { Reporter, type ReporterLimits } from "./reporter.ts";
import { formatNames, loadRoles, type RoleSource, watchRoles } from "./role-source.ts";
import type { Roles } from "./roles.ts";
import type { Sampler } from "./sampler.ts";
import { type Server, startServer } from "./server.ts";
import { ServerTemplates } from "./server-templates.ts";
import { LinkStats } from "./stats.ts";
import { commonTags, SCOPE_NAME, type TagSet, type TemplateParts } from "./tags.ts";
import { Visit } from "./visit.ts";
import { VISITS } from "./visit-log.ts";

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
  const link = new RunningLink(options);
  link.serve();
  link.watchServices();
  return link;
}

class RunningLink implements Link {
  readonly name: string;
  readonly stats = new LinkStats();
  readonly reporter: Reporter;
  readonly #options: LinkOptions;
  readonly #startedAt = Date.now();
  readonly #startedAtMs = performance.now();
  readonly #log: LinkLog;
  /** The roles of the source, without faults. */
  readonly #loadedRoles: Roles;
  #roles: Roles;
  readonly #memory: HeldMemory;
  readonly #client = new Client();
  readonly #server: Server;
  readonly #exporter: Exporter;
  /** Visits in flight whose callers have disconnected. */
  readonly #abandoned = new Set<Visit>();
  #watch: { close(): void } | null = null;
  #stopped: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    const { name, version, source, randomOf } = options;
    this.name = name;
    this.#options = options;
    const log = new LinkLog({ ...options.log, service: name });
    this.#log = log;
    this.#loadedRoles = loadRoles(source, name, randomOf);
    this.#roles = this.#loadedRoles;
    this.#memory = new HeldMemory(this.#roles.findOwn(name)?.behavior.memory.heldBytes ?? 0);
    this.#server = startServer({
      ...options,
      onRejection: log.writes("debug") ? (rejection) => logRejection(log, rejection) : undefined,
    });
    this.#exporter = createExporter(
      options.target,
      { serviceName: name, port: this.#server.port },
      {
        attributes: { ...options.resourceAttributes, "service.name": name },
        scope: { name: SCOPE_NAME, version },
      },
    );
    this.reporter = new Reporter({
      ...options.reporter,
      exporter: this.#exporter,
      random: Math.random,
      log,
    });
  }

  get url(): string {
    return this.#server.url;
  }

  /** Answers requests from now on. */
  serve(): void {
    const { propagators, sampler, hasLedger = true, isTracing = true } = this.#options;
    const { format } = this.#exporter;
    const templateParts = this.#templateParts();
    const startupMs = this.#roles.findOwn(this.name)?.behavior.startupMs ?? 0;
    this.#server.serve(
      createHandler({
        roles: () => this.#roles,
        plans: this.#preparePlans(templateParts),
        propagators,
        sampler,
        serviceHash: hashService(this.name),
        format,
        serverTemplates: new ServerTemplates(templateParts),
        reporter: this.reporter,
        hasLedger,
        isTracing,
        log: this.#log,
        stats: this.stats,
        abandoned: this.#abandoned,
        linkNumber: VISITS.addLink(),
        startedAt: this.#startedAt,
        inFlight: () => [...this.#openVisits(), ...this.#abandoned],
        readyAtMs: this.#startedAtMs + startupMs,
        renderMetrics: () => this.#renderMetrics(),
      }),
    );
    this.#log.info(`service_name ${this.name}`);
    if (this.#log.writes("info")) this.#log.info(`new services: ${formatNames(this.#roles.names)}`);
  }

  /** Follows changes of the services file, if the roles come from one. */
  watchServices(): void {
    const { source, randomOf } = this.#options;
    if (source.kind !== "file") return;
    this.#watch = watchRoles(source, this.#roles.names, randomOf, this.#log, (changed) => {
      // deploy shortens a chain before it removes the other links, which still get requests until then.
      if (this.#roles.findOwn(this.name) !== undefined && changed.findOwn(this.name) === undefined)
        return false;
      this.#roles = changed;
      return true;
    });
  }

  applyFault(fault: RoleFault): void {
    const isNone = fault.latencyMs === 0 && fault.errorRate === 0;
    this.#roles = isNone ? this.#loadedRoles : withLinkFault(this.#loadedRoles, this.name, fault);
  }

  stop({ drainMs, graceMs }: { readonly drainMs: number; readonly graceMs: number }): Promise<void> {
    this.#stopped ??= this.#shutDown(drainMs, graceMs);
    return this.#stopped;
  }

  #templateParts(): TemplateParts {
    const { tagSet, version } = this.#options;
    return {
      format: this.#exporter.format,
      tagSource: { tagSet, port: this.#server.port },
      commonTags: commonTags(tagSet, this.name, version),
    };
  }

  #preparePlans(templateParts: TemplateParts): Plans {
    const { resolve, headersOf, trustPosition } = this.#options;
    return new Plans({
      ...templateParts,
      name: this.name,
      roles: () => this.#roles,
      trustPosition,
      client: this.#client,
      startedAtMs: this.#startedAtMs,
      resolve: (service) => resolve(service) ?? `http://${service}`,
      headersOf: (service) => headersOf?.(service) ?? {},
    });
  }

  #renderMetrics(): string {
    const { version, isTracing = true } = this.#options;
    const described = { service: this.name, version, isTracing, startedAt: this.#startedAt };
    return renderMetrics(described, this.stats, this.reporter) + this.#server.rejections.renderMetric();
  }

  #openVisits(): Visit[] {
    return this.#server
      .openExchanges()
      .flatMap(({ attachment }) => (attachment instanceof Visit ? attachment : []));
  }

  async #shutDown(drainMs: number, graceMs: number): Promise<void> {
    const startMs = performance.now();
    const leftMs = (share: number) => Math.max(0, startMs + graceMs * share - performance.now());
    this.stats.isDraining = true;
    this.#watch?.close();
    await Bun.sleep(Math.min(drainMs, leftMs(1 - FLUSH_SHARE)));
    await settleWithin(this.#server.stopAccepting(), leftMs(1 - FLUSH_SHARE));
    // Requests whose callers have disconnected have no connection any more, but will still record spans.
    while (this.stats.inFlight > 0 && leftMs(1 - FLUSH_SHARE) > 0) await Bun.sleep(IN_FLIGHT_CHECK_MS);
    this.#cancelVisits();
    await this.reporter.close(leftMs(1));
    await this.#server.close();
    this.#memory.release();
    this.#log.close();
  }

  /** Ends all visits with their spans: first the calls, which answer their requests, then everything that waits. */
  #cancelVisits(): void {
    this.#client.close();
    for (const visit of this.#openVisits()) visit.cancel();
    for (const visit of this.#abandoned) visit.cancel();
  }
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
